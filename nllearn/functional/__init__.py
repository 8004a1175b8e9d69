"""The maths: free functions on arrays, without state and without device names.

Torch functions take and return tensors on the caller's device and draw random
numbers from the generator that they are given. Mixture and transition-matrix
fitting are numpy.
"""
