"""Each dataset in small, in the layout and with the column names of the original."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile

RATE = 8_000


def clip(path: Path, seed: int = 0, seconds: float = 1.0) -> None:
    """Write a clip of a few notes."""
    rng, t = np.random.default_rng(seed), np.arange(int(seconds * RATE)) / RATE
    y = sum(np.sin(2 * np.pi * f * t) * (t % 0.25 < 0.2) for f in rng.uniform(200, 2_000, 4)) / 8
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, y.astype(np.float32), RATE)


def gtzan(root: Path) -> dict[str, Any]:
    names = [f"{genre}/{genre}.{i:05d}.wav" for genre in ("blues", "jazz") for i in range(6)]
    for i, name in enumerate(names):
        clip(root / "genres_original" / name, i)
    (root / "genres_original/jazz/jazz.00054.wav").write_bytes(b"not a wave at all")
    for split, part in {"train": [0, 1, 6, 7], "valid": [2, 8], "test": [3, 4, 9, 10]}.items():
        (root / f"{split}_filtered.txt").write_text("".join(f"{names[i]}\n" for i in part))
    return {"lists": "filtered"}


FMA = r"""
,album,album,artist,artist,artist,set,set,track,track,track
,title,date_released,name,latitude,longitude,split,subset,genre_top,genres_all,title
track_id,,,,,,,,,,
2,"AWOL, a ""way"" of life",2009-01-05 00:00:00,AWOL,40.05,-74.40,training,small,Hip-Hop,[21],Food
5,"AWOL, a ""way"" of life",2009-01-05 00:00:00,AWOL,40.05,-74.40,training,small,Hip-Hop,[21],This World
10,Constant Hitmaker,2008-02-06 00:00:00,Kurt Vile,,,validation,small,Pop,[10],Freeway
140,"Quiet
riot",,Alec K. Redfearn,41.82,-71.41,test,medium,Folk,[17],Queen Of The Wires
141,,,Alec K. Redfearn,41.82,-71.41,test,large,,"[17, 103]",Ohio
"""


def fma(root: Path) -> dict[str, Any]:
    (root / "fma_metadata").mkdir(parents=True)
    (root / "fma_metadata/tracks.csv").write_text(FMA.lstrip())
    (root / "fma_metadata/genres.csv").write_text(
        "genre_id,#tracks,parent,title,top_level\n10,13845,0,Pop,10\n17,12706,0,Folk,17\n"
        "21,8389,0,Hip-Hop,21\n103,902,17,Singer-Songwriter,17\n"
    )
    for number in (2, 5, 10):
        clip(root / f"fma_small/000/{number:06d}.mp3", number)
    return {"subset": "small"}


BALLROOM = """Waltz/Media-103501 Waltz/Media-103502 Rumba-Misc/Media-103401 Rumba-American/Media-103402
Rumba-International/Albums-AnaBelen_Veneo-01 Samba/Albums-Latin_Jam-03"""


def ballroom(root: Path) -> dict[str, Any]:
    for i, name in enumerate(BALLROOM.split()):
        clip(root / f"BallroomData/{name}.wav", i)
    return {}


def soundtracks(root: Path) -> dict[str, Any]:
    columns = "Number,valence,energy,tension,anger,fear,happy,sad,tender,TARGET"
    rows = ["1,6,4,2,1.2,1.1,6.5,1.8,3.3,HAPPY", "2,2,6,7,5.1,4.9,1,1,1,ANGER", "3,3,3,3,2,2,1,2,1,VALENCE"]
    (root / "Set1").mkdir(parents=True)
    (root / "mean_ratings_set1.csv").write_text("\n".join([columns, *rows]) + "\n")
    (root / "mean_ratings_set2.csv").write_text(f"{columns}\n1,4,2,2,1,1,2,3,6,TENDER\n")
    for i, name in enumerate(["Set1/001", "Set1/002", "Set1/003", "Set2/001"]):
        clip(root / f"{name}.mp3", i)
    return {}


def magnatagatune(root: Path) -> dict[str, Any]:
    root.mkdir(parents=True, exist_ok=True)
    paths = [f"{f}/american_bach-dances-0{i}.mp3" for i, f in enumerate("0bcdf")]
    rows = [["clip_id", "no voice", "guitar", "irish", "mp3_path"]]
    rows += [[str(i), *flags, paths[i]] for i, flags in enumerate(("110", "100", "110", "011", "001"))]
    text = "".join("\t".join(f'"{cell}"' for cell in row) + "\n" for row in rows)
    (root / "annotations_final.csv").write_text(text)
    head = "clip_id\ttrack_number\ttitle\tartist\talbum\turl\tsegmentStart\tsegmentEnd\toriginal_url\tmp3_path"
    lines = [f"{i}\t1\tGigue {i}\tBach Soloists\tDances\thttp://x\t0\t29\thttp://y\t{p}" for i, p in enumerate(paths)]
    (root / "clip_info_final.csv").write_text("\n".join([head, *lines]) + "\n")
    for i, path in enumerate(paths):
        clip(root / path, i)
    return {"n_tags": 2}


def mtg_jamendo(root: Path) -> dict[str, Any]:
    head = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS"
    for number in range(5):
        folder = root / f"data/splits/split-{number}"
        folder.mkdir(parents=True)
        for i, part in enumerate(("train", "validation", "test")):
            track = 948 + (i + number) % 3
            row = f"track_{track:07d}\tartist_{i:06d}\talbum_{i:06d}\t{track % 100}/{track}.mp3\t212.7"
            tags = "genre---rock\tinstrument---guitar" if i else "mood/theme---dark"
            (folder / f"autotagging_top50tags-{part}.tsv").write_text(f"{head}\n{row}\t{tags}\n")
    for track in (948, 949, 950):
        clip(root / f"audio/{track % 100}/{track}.mp3", track)
    return {}


def spotify_attributes(root: Path) -> dict[str, Any]:
    root.mkdir(parents=True, exist_ok=True)
    head = "\ufeffgenre,artist_name,track_name,track_id,danceability,energy,duration_ms,key,mode,time_signature"
    rows = [
        "Movie,Henri Salvador,C'est beau,a1,0.389,0.91,99373,C#,Major,4-Apr",
        "Dance,Henri Salvador,C'est beau,a1,0.389,0.91,99373,C#,Major,4-Apr",
        "Dance,Björk,Hyper,b2,0.5,0.2,200000,F,Minor,4-Mar",
        "Dance,No One,Cut,c3,0.5",
    ]
    (root / "tracks.csv").write_bytes("\r\n".join([head, *rows]).encode())
    return {}


def cifar100(root: Path) -> dict[str, Any]:
    folder, rng = root / "cifar-100-binary", np.random.default_rng(0)
    folder.mkdir(parents=True)
    (folder / "coarse_label_names.txt").write_text("fish\nflowers\n")
    (folder / "fine_label_names.txt").write_text("ray\nrose\nshark\n")
    for part, n in (("train", 30), ("test", 6)):
        fine = np.arange(n) % 3
        records = np.column_stack([fine % 2, fine, rng.integers(0, 256, (n, 3072))]).astype(np.uint8)
        (folder / f"{part}.bin").write_bytes(records.tobytes())
    return {}


def artist_metadata(root: Path) -> dict[str, Any]:
    root.mkdir(parents=True, exist_ok=True)
    people = {"artist_id": ["p1", "p2"], "name": ["Ann", "Bo"], "genres": [["folk", "pop"], []]}
    people |= {"related": [["p2"], ["p1", "gone"]], "latitude": [48.2, None], "longitude": [16.4, None]}
    pd.DataFrame(people).to_parquet(root / "artists.parquet")
    albums = {"album_id": ["q"], "title": ["Q"], "year": [1999.0], "cover": ["covers/q.png"]}
    pd.DataFrame(albums).to_parquet(root / "albums.parquet")
    listed = {"track_id": ["t1", "t2", "t3"], "artist_id": ["p1", "p1", "p2"], "title": ["x", "y", "z"]}
    listed |= {"album_id": ["q", None, None], "genres": [[], ["jazz"], []]}
    pd.DataFrame(listed).to_parquet(root / "tracks.parquet")
    for i, track in enumerate(("t1", "t2", "t3")):
        clip(root / f"audio/{track}.mp3", i)
    (root / "lyrics").mkdir()
    (root / "lyrics/t1.txt").write_text("la la")
    return {}


def folder(root: Path) -> dict[str, Any]:
    for i, name in enumerate(("jazz/a.wav", "rock/b.wav")):
        clip(root / name, i)
    return {}


def synthetic(root: Path) -> dict[str, Any]:
    return {"n_artists": 2, "tracks_per_artist": 1, "seconds": 1.0, "n_genres": 2}


def union(root: Path) -> dict[str, Any]:
    folder(root / "ours")
    return {"of": {"ours": {"name": "folder"}, "gtzan": {"name": "gtzan", "path": "theirs", **gtzan(root / "theirs")}}}
