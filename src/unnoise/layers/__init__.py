"""What denoisers are made of.

`fused_convolution` runs a convolution and what follows it in one pass. `weight_cache` keeps weights in the form that
this needs. `partial` computes a region of a result, or a whole result strip by strip. `quantized` runs layers in int8.
`triton` is for NVIDIA GPUs. The rest are norms, padding, rotations and PD (`polyphase`).
"""
