"""Gain maps in JPEGs (Ultra HDR): a second JPEG behind the picture, its index and the meaning of its levels.

Sources: ISO 21496-1:2025 (gain map metadata), Adobe's Gain Map specification 1.0 (the same as XMP), Google's Ultra HDR
Image Format 1.1 (the container), and CIPA DC-007 (the index of pictures, MPF).
"""
