"""The tab Sound without a page: the picture to paint on, what was painted as regions, results, what is refused."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from matplotlib import image
from tiny_sound import HOP, RATE, ROWS

from audiogen.audio import Audio
from audiogen.errors import InputError
from audiogen.pipelines.replay import replay
from audiogen.pipelines.sound import Sound
from audiogen.pipelines.sound_regions import regions_of
from audiogen.serving.demo import painting
from audiogen.serving.demo.inlets import Sent
from audiogen.serving.demo.sound_events import Events

COLUMNS = 12
DURATION = COLUMNS * HOP / RATE - 0.05
REQUEST = ("", 2, 2.0, 7)
"""Caption, steps, guidance, seed."""
NO_NUMBERS = (None, None, None, None)


@pytest.fixture(scope="module")
def sound(models) -> Sound:
    return Sound(models["sound"])


@pytest.fixture
def events(sound, tmp_path) -> Events:
    return Events(sound, tmp_path)


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """A soft noise and, in its second half, a tone of 3 kHz."""
    time = torch.arange(round(DURATION * RATE)) / RATE
    noise = 0.003 * torch.randn(len(time), generator=torch.Generator().manual_seed(0))
    tone = 0.3 * torch.sin(2 * torch.pi * 3000 * time) * (time > DURATION / 2)
    return Audio((noise + tone)[None], RATE).save(tmp_path_factory.mktemp("clip") / "clip.wav")


def marks(cells: torch.Tensor) -> list[str]:
    """What the page sends of marked cells."""
    return ["".join(str(int(cell)) for cell in row) for row in cells]


# ------------------------------------------------------------------------------------------------------- the painting


def test_the_picture_has_low_sounds_at_the_bottom_and_time_to_the_right(sound, clip, tmp_path):
    told = painting.picture(Audio.read(clip), sound.codec, tmp_path / "picture.png")
    assert (told["rows"], told["columns"], told["edges"]) == (ROWS, COLUMNS, sound.codec.row_edges)
    assert told["per_second"] == RATE / HOP
    pixels = image.imread(told["file"]["path"])
    assert pixels.shape[:2] == (80, 16 * COLUMNS)
    light = torch.from_numpy(pixels[..., :3]).mean(dim=-1)
    cells = torch.nn.functional.adaptive_avg_pool2d(light[None], (ROWS, COLUMNS))[0].flip(0)
    row, column = divmod(int(cells.argmax()), COLUMNS)
    low, high = sound.codec.row_edges[row : row + 2]
    assert low < 3000 < high
    assert column >= COLUMNS // 2


@pytest.mark.parametrize("chance", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_painted_cells_are_those_that_are_made_anew(sound, chance):
    """From marks to cells, to regions in seconds and Hz, and back to the same cells."""
    cells = torch.rand(ROWS, COLUMNS, generator=torch.Generator().manual_seed(1)) < chance
    assert torch.equal(painting.painted(marks(cells), ROWS, COLUMNS), cells)
    found = painting.regions(cells, sound.codec, DURATION)
    assert bool(found) == bool(cells.any())
    back = torch.zeros_like(cells)
    edges = sound.codec.row_edges
    for region in regions_of(found, DURATION, edges[-1]):
        back |= region.touched(edges, COLUMNS, sound.codec.frame_rate)
    assert torch.equal(back, cells)


def test_cells_beside_and_above_each_other_are_one_region(sound):
    cells = torch.zeros(ROWS, COLUMNS, dtype=torch.bool)
    cells[1:3, 2:5] = True
    edges, rate = sound.codec.row_edges, sound.codec.frame_rate
    assert painting.regions(cells, sound.codec, DURATION) == [(2 / rate, 5 / rate, edges[1], edges[3])]
    cells[:, 3] = True
    assert len(painting.regions(cells, sound.codec, DURATION)) == 3
    assert (3 / rate, 4 / rate) in painting.regions(cells, sound.codec, DURATION)


def test_marks_of_another_grid_do_no_harm():
    for rows in (None, [], ["000"] * ROWS):
        assert not painting.painted(rows, ROWS, COLUMNS).any()
    assert painting.painted(["1" * 99] * 99, ROWS, COLUMNS).all()
    assert painting.painted(["1", "x"], ROWS, COLUMNS).nonzero().tolist() == [[0, 0]]


# --------------------------------------------------------------------------------------------------------- the events


def test_what_is_painted_is_made_anew_and_no_more(events, clip):
    cells = torch.zeros(ROWS, COLUMNS, dtype=torch.bool)
    cells[:, 3:5] = True
    cells[4, 8] = True
    _, player, settings, used, facts, results, sent = events.inpaint(
        str(clip), None, marks(cells), *REQUEST, *NO_NUMBERS
    )
    assert torch.equal(sent.take.mask, cells)
    assert (used, results) == (7, [sent])
    assert facts.startswith(f"{DURATION:.1f} s of sound, made in ")
    assert Path(settings).name == f"{Path(player).name}.json"
    new, old = Audio.read(player).samples, Audio.read(clip).samples
    kept = slice(0, round(2.5 * HOP))
    np.testing.assert_allclose(new[:, kept], old[:, kept], atol=1e-6)
    assert torch.equal(replay(player).samples, sent.take.samples)


def test_a_drawn_picture_has_no_marks(events, clip):
    told, cells = events.draw(str(clip))
    assert (told["columns"], cells) == (COLUMNS, None)
    assert Path(told["file"]["path"]).is_file()


def test_numbers_say_the_same_as_a_brush(events, clip):
    numbers = events.inpaint(str(clip), None, None, *REQUEST, 0.5, 1.0, None, None)[-1]
    assert numbers.take.settings["passes"][0]["settings"]["regions"] == [[0.5, 1.0]]
    band = events.inpaint(str(clip), None, None, *REQUEST, None, 1.0, 2000, None)[-1]
    assert band.take.settings["passes"][0]["settings"]["regions"] == [[0.0, 1.0, 2000.0, 11_025.0]]
    cells = torch.zeros(ROWS, COLUMNS, dtype=torch.bool)
    cells[0, 11] = True
    both = events.inpaint(str(clip), None, marks(cells), *REQUEST, 0.5, 1.0, None, None)[-1]
    assert torch.equal(both.take.mask, numbers.take.mask | cells)


def test_results_are_chosen_used_and_keep_their_history(events):
    choices, *_, results, first = events.make("rain", 1.0, 3, *REQUEST[1:])
    assert (choices.visible, [sent.take.seed for sent in results]) == (True, [7, 8, 9])
    player, settings, chosen = events.choose(results, 1)
    assert (chosen, Path(settings)) == (results[1], Path(f"{player}.json"))
    assert first is results[0]
    assert events.use(chosen) == str(chosen.path)
    copied = chosen.path.with_name("uploaded.wav")  # what the page makes of it
    copied.write_bytes(chosen.path.read_bytes())
    for after in (
        events.vary(str(copied), results, 0.5, 1, *REQUEST),
        events.extend(str(copied), results, 5000, *REQUEST),
        events.inpaint(str(copied), results, None, *REQUEST, 0.2, 0.6, None, None),
    ):
        tasks = [one["settings"]["task"] for one in after[-1].take.settings["passes"]]
        assert (tasks[0], len(tasks)) == ("make", 2)
        assert torch.equal(replay(after[-1].path).samples, after[-1].take.samples)
    assert events.vary(str(copied), [], 0.5, 1, *REQUEST)[-1].take.settings["input"]["name"] == "uploaded.wav"


def test_captions_and_extension(events, clip):
    asked = [events.extend(str(clip), None, 4000, caption, 2, 3.0, 1)[-1].take for caption in ("", "a dog")]
    assert not torch.equal(asked[0].codes, asked[1].codes)
    facts = events.extend(str(clip), None, 0, *REQUEST)[4]
    assert "kept up to" in facts, "the cutoff was found"


def test_requests_that_are_refused(events, clip, tmp_path):
    silent, text, long = (tmp_path / f"{name}.wav" for name in ("silent", "text", "long"))
    soundfile.write(silent, np.zeros(RATE), RATE)
    text.write_text("no sound")
    soundfile.write(long, np.zeros(8000 * 200, np.int16), 8000)
    for ask, message in (
        (lambda: events.inpaint(str(clip), None, None, *REQUEST, *NO_NUMBERS), "expected something painted"),
        (lambda: events.inpaint(str(clip), None, None, *REQUEST, 1.0, None, None, None), "where the region ends"),
        (lambda: events.inpaint(str(clip), None, None, *REQUEST, 1.0, 9.0, None, None), "within this sound"),
        (lambda: events.inpaint(None, None, None, *REQUEST, *NO_NUMBERS), "expected a sound to mend, got none"),
        (lambda: events.extend(str(clip), None, 11_025, *REQUEST), "expected a cutoff"),
        (lambda: events.extend(str(text), None, 0, *REQUEST), "text.wav: expected an audio file"),
        (lambda: events.vary(str(silent), None, 0.5, 1, *REQUEST), "got silence"),
        (lambda: events.draw(str(long)), "at most 2 minutes of sound, got 3.3"),
        (lambda: events.make("a" * 501, 1.0, 1, 2, 2.0, 0), "at most 500 characters"),
        (lambda: events.make("rain", 1.0, 9, 2, 2.0, 0), "1 to 4 variations"),
        (lambda: events.choose(None, 0), "Make one first"),
        (lambda: events.use(None), "Make one first"),
    ):
        with pytest.raises(InputError, match=message):
            ask()
    assert events.draw(None) == ({}, None)
    assert isinstance(events.make("rain", 0.5, 1, 2, 2.0, 0)[-1], Sent)
