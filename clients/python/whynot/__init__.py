# SPDX-License-Identifier: Apache-2.0
"""Asks a whynot server why a network said P, and why P rather than Q.

    import whynot

    client = whynot.Client("http://127.0.0.1:8420")
    answer = client.explain("bird.jpg", why="spoonbill", rather_than="flamingo")
    answer.map          # numbers: a numpy array where numpy is there, else nested lists
    answer.overlay()    # a picture: PIL.Image where Pillow is there, else the bytes of a PNG
    answer              # in a notebook: pictures, predictions and the evidence in words
"""
from .aio import AsyncClient
from .client import Client, Question
from .errors import (ApiError, BadPicture, BadRequest, Busy, ConnectionFailed, DeadlinePassed, FieldError, NotAsked, NotFound, NotPermitted, NotPossible,
                     ServerError, TimedOut, WhynotError)
from .results import Class, Contrast, Evidence, Explanation, Heatmap, Layer, Masking, Method, Model, Rival, Scored
from .show import Gallery

__version__ = "0.1.0"
__all__ = ["ApiError", "AsyncClient", "BadPicture", "BadRequest", "Busy", "Class", "Client", "ConnectionFailed", "Contrast", "DeadlinePassed", "Evidence",
           "Explanation", "FieldError", "Gallery", "Heatmap", "Layer", "Masking", "Method", "Model", "NotAsked", "NotFound", "NotPermitted", "NotPossible", "Question", "Rival",
           "Scored", "ServerError", "TimedOut", "WhynotError"]
