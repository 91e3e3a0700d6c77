"""Which held-out clips and generated sounds are scored, mended and probed, and beside what."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from audiogen.audio import Audio
from audiogen.pipelines.bandwidth import cutoff_of
from recipes.asking import Asked
from recipes.data import read_data_dir
from recipes.making import Cost, read_costs
from recipes.probing import Labelled
from recipes.sound_clips import PROCEDURAL, Description, read_descriptions
from recipes.sound_rows import CODEC, OTHERS, RECORDINGS
from recipes.sound_scoring import Item, Mended
from recipes.sources import SPLITS

Row = tuple[str, str]
"""Set and system of a row of the table."""
ALL_BANDS = 0.91
"""Share of half the sample rate up to which a clip that has all bands has sound: above are edges of filters."""


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """Where everything is that is scored."""

    dev: Path
    """Folder of clips."""
    test: Path
    asked: Sequence[Asked]
    sounds: Path
    """What stage generate made."""
    costs: Path
    """What stage costs measured, of captions of the judged set."""
    repairs: Path
    """What stage repair made."""
    judged: str
    judge: Path
    pair: str
    """Folder or name of the embedder that compares sounds with captions."""

    def items(self, variants: Sequence[str]) -> Iterator[tuple[Row, list[Item]]]:
        """The sounds of each row that is there."""
        dev, test = (sets_of(read_descriptions(folder), self.judged) for folder in (self.dev, self.test))
        texts = {one.clip: one.text for one in reversed(self.asked)}
        for name, clips in test.items():
            said = [texts.get(one.id, one.captions[0]) for one in clips]
            others = in_place(clips, dev.get(name, ()))
            folders = {RECORDINGS: self.test, OTHERS: self.dev, CODEC: self.sounds / name / CODEC}
            for row, folder in folders.items():
                heard = others if row == OTHERS else clips
                yield (
                    (name, row),
                    [
                        self._item(folder / f"{there.id}.flac", one.id, text, one)
                        for there, one, text in zip(heard, clips, said, strict=True)
                    ],
                )
            for row in variants:
                folder = self.sounds / name / row
                if folder.is_dir():
                    yield (name, row), self._generated(folder, name, read_costs(self.costs / row))

    def mended(self, count: int) -> Iterator[tuple[Row, list[Mended]]]:
        """The clips of each row that stage repair made; `count` as it was told."""
        clips = mended_clips(self.test, count)
        for folder in sorted(self.repairs.glob("*/*")):
            yield (folder.parent.name, folder.name), [self._mended(folder, one) for one in clips]

    def _mended(self, folder: Path, clip: Description) -> Mended:
        return Mended(
            id=clip.id,
            set=folder.parent.name,
            path=folder / f"{clip.id}.flac",
            source=self.test / f"{clip.id}.flac",
            category=clip.category if clip.kind == self.judged else "",
            judge=self.judge,
        )

    def _generated(self, folder: Path, name: str, costs: Mapping[str, Cost]) -> list[Item]:
        return [
            Item(
                id=one.id,
                path=folder / f"{one.id}.flac",
                source=self.test / f"{one.clip}.flac",
                text=one.text,
                category=one.category,
                judge=self.judge,
                pair=self.pair,
                cost=costs.get(one.id),
            )
            for one in self.asked
            if one.set == name
        ]

    def _item(self, path: Path, name: str, text: str, clip: Description) -> Item:
        return Item(
            id=name,
            path=path,
            source=self.test / f"{clip.id}.flac",
            text=text,
            category=clip.category if clip.kind == self.judged else "",
            judge=self.judge,
            pair=self.pair,
        )


def sets_of(said: Sequence[Description], judged: str) -> dict[str, list[Description]]:
    """Name of a set -> its clips: those of the judged data set whose class is known, and procedural ones."""
    known = {judged: [one for one in said if one.kind == judged and one.category]}
    return {PROCEDURAL: [one for one in said if one.kind == PROCEDURAL], **known}


def in_place(clips: Sequence[Description], others: Sequence[Description]) -> list[Description]:
    """For each clip another one of its class, in turn; one of any class where there is none."""
    found, used = [], dict.fromkeys((one.category for one in clips), 0)
    for one in clips:
        same = [other for other in others if other.category == one.category] or list(others)
        found.append(same[used[one.category] % len(same)])
        used[one.category] += 1
    return found


def mended_clips(test: Path, count: int) -> list[Description]:
    """Held-out clips that are mended: `count` at most, spread over all."""
    said = read_descriptions(test)
    count = min(count, len(said))
    return [said[index * len(said) // count] for index in range(count)]


def has_all_bands(path: Path) -> bool:
    """Whether a clip has any sound up to half its sample rate: what is played slower, say, has not."""
    audio = Audio.read(path)
    return cutoff_of(audio) >= ALL_BANDS * audio.sample_rate / 2


def labelled_clips(folders: Mapping[str, Path], judged: str) -> list[Labelled]:
    """The clips of the judged data set in each split's folder, with their classes."""
    return [
        Labelled(path=folder / f"{one.id}.flac", label=one.category, split=name)
        for name, folder in folders.items()
        for one in read_descriptions(folder)
        if one.kind == judged and one.category
    ]


def labelled_digits(folder: Path) -> list[Labelled]:
    """Spoken words of Kaldi data dirs train, dev and test, with what is said."""
    return [
        Labelled(path=one.audio, label=one.text, split=name) for name in SPLITS for one in read_data_dir(folder / name)
    ]
