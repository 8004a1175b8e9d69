"""Configuration of Sphinx: `make docs` runs it with the gallery, `make docs-check` without."""

from __future__ import annotations

import sys
from pathlib import Path

import nllearn

sys.path.insert(0, str(Path(__file__).resolve().parent / "_ext"))

project = "nllearn"
author = "The nllearn developers"
project_copyright = author
version = release = nllearn.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "benchmark_pictures",
    "docstrings",
]
root_doc = "index"
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
# A name that begins with an underscore is a part of another page.
exclude_patterns = ["_build", "**/_*.md", "**/_*.rst"]
templates_path = ["_templates"]

# Every reference has to lead somewhere. The names below belong to other libraries, whose
# inventories would have to be fetched from the network.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(matplotlib|numpy|pandas|scipy|skorch|sklearn|torch|torchvision)\..*"),
]

# -- Markdown
myst_enable_extensions = ["amsmath", "attrs_block", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

# -- API reference
autosummary_generate = True
# The types stand in the numpydoc sections, with shapes; in the signature they are noise.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
add_module_names = False
toc_object_entries_show_parents = "hide"

# -- Gallery
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"^(?!plot_)",
    "within_subsection_order": "gallery_order.in_reading_order",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    # `-t quick` leaves the examples unrun: their text and code are built without figures.
    "plot_gallery": not tags.has("quick"),  # noqa: F821, Sphinx defines tags
    "write_computation_times": False,
    "reset_modules": ("matplotlib",),
    "image_scrapers": ("matplotlib",),
    "doc_module": (),
    "backreferences_dir": None,
    "remove_config_comments": True,
}

# -- Pages
html_theme = "pydata_sphinx_theme"
html_title = "nllearn"
html_static_path = ["_static"]
html_css_files = ["nllearn.css"]
html_favicon = "_static/mark.svg"
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {
    "installation": [],
    "quickstart": [],
    "extend": [],
    "whats_new": [],
    "contributing": [],
}
html_theme_options = {
    "logo": {
        "text": "nllearn",
        "image_light": "_static/mark.svg",
        "image_dark": "_static/mark.svg",
        "alt_text": "nllearn - start page",
    },
    "header_links_before_dropdown": 7,
    "navbar_align": "left",
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
}
copybutton_exclude = ".linenos, .gp, .go"

# -- Links: `make linkcheck` needs a network.
linkcheck_timeout = 20
linkcheck_retries = 2
linkcheck_anchors_ignore_for_url = [r"https://github\.com/.*"]
