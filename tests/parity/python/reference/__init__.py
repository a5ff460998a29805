"""The equations in plain PyTorch: what every case of `cases` expects. Nothing here reads or writes a file.

Every function takes tensors and gives tensors of the same dtype, so that one program computes in float64 what is
expected and in float32 how far rounding carries. Parameters are plain dictionaries under the names of checkpoints.
"""
