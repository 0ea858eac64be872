"""Real clips are as long as another decoder says."""

import av

from ostinato import audio
from ostinato.audio import measurement


def read_length(path):
    """Return the seconds that FFmpeg decodes."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return sum(frame.samples for frame in container.decode(stream)) / stream.rate


def test_real_clips_are_read_whole(shared_data):
    paths = [shared_data / path for path in audio.find_audio(shared_data).paths]
    assert len(paths) >= 150
    away, broken = {}, {}
    for path in paths:
        measured = measurement.measure(path)
        if measured.error:
            broken[path.name] = measured.error
        elif abs(measured.duration - read_length(path)) > 0.05:
            away[path.name] = (measured.duration, read_length(path))
    assert away == {}
    assert broken == {}
