// What the answers of an audit say: the estimate and the bounds of `bound_totals` in Python
// (nllearn.functional.audit) for answers that are right or wrong. The rows looked at are known;
// the others are drawn from an urn with the answers and one more. Python draws other numbers, so
// the bounds agree but for the error of so many draws.
const ALPHA = 0.025; // probability with which one end of an interval may fail
const N_DRAWS = 4000;
const EXTRA_EVERYWHERE = 0.1; // part of the one more answer that every stratum gets

/** Numbers in [0, 1) from a seed (mulberry32): the same answers give the same interval. */
function uniformFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Draws of a standard normal distribution (polar method of Marsaglia). */
function normalFrom(uniform) {
  let spare = null;
  return () => {
    if (spare !== null) {
      const value = spare;
      spare = null;
      return value;
    }
    let x, y, square;
    do {
      x = 2 * uniform() - 1;
      y = 2 * uniform() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square === 0);
    const scale = Math.sqrt((-2 * Math.log(square)) / square);
    spare = y * scale;
    return x * scale;
  };
}

/** Draws of gamma (Marsaglia and Tsang 2000) and binomial distributions. */
function drawsFrom(seed) {
  const uniform = uniformFrom(seed);
  const normal = normalFrom(uniform);

  function gamma(shape) {
    if (shape === 0) return 0;
    if (shape < 1) return gamma(shape + 1) * (1 - uniform()) ** (1 / shape);
    const d = shape - 1 / 3, c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = normal(), square = x * x, root = 1 + c * x;
      if (root <= 0) continue;
      const v = root * root * root, u = 1 - uniform();
      if (u < 1 - 0.0331 * square * square) return d * v; // without a logarithm, nearly always
      if (Math.log(u) < square / 2 + d - d * v + d * Math.log(v)) return d * v;
    }
  }

  /**
   * Successes among n: split at the middle one of n uniform numbers until few are left. Where their
   * variance is large, a normal distribution stands in: its error is below that of the draws.
   */
  function binomial(n, p) {
    const variance = n * p * (1 - p);
    if (variance > 100) {
      return Math.max(0, Math.min(n, Math.round(n * p + Math.sqrt(variance) * normal())));
    }
    let successes = 0, left = n, rest = p;
    while (left > 16) {
      const half = Math.floor(left / 2) + 1;
      const low = gamma(half), middle = low / (low + gamma(left + 1 - half));
      if (middle <= rest) {
        successes += half;
        left -= half;
        rest = (rest - middle) / (1 - middle);
      } else {
        left = half - 1;
        rest /= middle;
      }
    }
    for (; left > 0; left -= 1) if (uniform() < rest) successes += 1;
    return successes;
  }

  return { gamma, binomial };
}

/** Totals of a stratum: with a part of one more answer in the urn, and with all of it. */
function urnTotals({ size, seen, ones }, draws) {
  const unseen = size - seen;
  const plain = new Float64Array(N_DRAWS), raised = new Float64Array(N_DRAWS);
  if (!seen || !unseen) {
    plain.fill(ones + unseen);
    return { plain, raised: plain };
  }
  for (let i = 0; i < N_DRAWS; i += 1) {
    const zero = draws.gamma(seen - ones);
    let one = draws.gamma(ones) + draws.gamma(EXTRA_EVERYWHERE);
    plain[i] = ones + draws.binomial(unseen, one / (one + zero));
    one += draws.gamma(1 - EXTRA_EVERYWHERE);
    raised[i] = ones + draws.binomial(unseen, one / (one + zero));
  }
  return { plain, raised };
}

/** Upper bound of the number of ones among all rows, from strata of {size, seen, ones}. */
function upperBound(strata) {
  const draws = drawsFrom(0);
  const totals = strata.map((stratum) => urnTotals(stratum, draws));
  const sum = new Float64Array(N_DRAWS);
  for (const { plain } of totals) plain.forEach((value, i) => { sum[i] += value; });
  const place = Math.ceil((N_DRAWS - 1) * (1 - ALPHA));
  return Math.max(...totals.map(({ plain, raised }) =>
    sum.map((value, i) => value + raised[i] - plain[i]).sort()[place]));
}

/**
 * Share of wrong labels with its interval.
 * Arrays by stratum: all rows, answers, wrong ones, and the share expected without an answer.
 */
function shareWrong({ sizes, seen, wrong, expected }) {
  const total = sizes.reduce((a, b) => a + b, 0);
  if (!total) return null;
  const bound = (ones) =>
    upperBound(sizes.map((size, i) => ({ size, seen: seen[i], ones: ones(i) })));
  const high = bound((i) => wrong[i]) / total;
  const low = 1 - bound((i) => seen[i] - wrong[i]) / total;
  const means = sizes.map((size, i) => size * (seen[i] ? wrong[i] / seen[i] : expected[i]));
  const value = means.reduce((a, b) => a + b, 0) / total;
  return { value: Math.min(high, Math.max(low, value)), low, high };
}
