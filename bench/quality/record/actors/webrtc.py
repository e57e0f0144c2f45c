"""A WebRTC call by aiortc: offer and answer are handed over in files, media goes both ways."""

from __future__ import annotations

import asyncio
import fractions
from pathlib import Path

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaBlackhole
from aiortc.mediastreams import AudioStreamTrack


class _Noise(MediaStreamTrack):
    """Video that does not compress: 30 pictures a second."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.rng = np.random.default_rng(1)

    async def recv(self) -> av.VideoFrame:
        await asyncio.sleep(1 / 30)
        picture = self.rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = self.number, fractions.Fraction(1, 30)
        self.number += 1
        return frame


async def _heard(path: Path) -> str:
    while not path.exists() or not path.read_text():
        await asyncio.sleep(0.05)
    return path.read_text()


async def _call(role: str) -> None:
    peer, sink = RTCPeerConnection(), MediaBlackhole()
    peer.on("track", sink.addTrack)
    if role == "offer":
        peer.addTrack(_Noise())
        peer.addTrack(AudioStreamTrack())
        await peer.setLocalDescription(await peer.createOffer())
        Path("offer.tmp").write_text(peer.localDescription.sdp)
        Path("offer.tmp").rename("offer.sdp")
        await peer.setRemoteDescription(RTCSessionDescription(await _heard(Path("answer.sdp")), "answer"))
    else:
        await peer.setRemoteDescription(RTCSessionDescription(await _heard(Path("offer.sdp")), "offer"))
        peer.addTrack(_Noise())
        peer.addTrack(AudioStreamTrack())
        await peer.setLocalDescription(await peer.createAnswer())
        Path("answer.tmp").write_text(peer.localDescription.sdp)
        Path("answer.tmp").rename("answer.sdp")
    await sink.start()
    await asyncio.sleep(40)


def webrtc(role: str) -> None:
    asyncio.run(_call(role))
