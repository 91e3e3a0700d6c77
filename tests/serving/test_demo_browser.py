"""The page in a real browser: headless Chromium loads it, vamps, listens, drags, and makes mistakes.

Run with -m browser; needs Chromium at $CHROMIUM (default /usr/bin/chromium). $AUDIOGEN_SCREENSHOTS keeps the pictures.
"""

import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Page, expect, sync_playwright

pytestmark = pytest.mark.browser

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
OPTIONS = [
    "--no-sandbox",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",  # a microphone that beeps
    "--use-fake-ui-for-media-stream",  # and may be used
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
WAIT = 60_000
"""ms, for busy machines."""
SOUND = "window.audiogen.sound"
expect.set_options(timeout=WAIT)


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, demo) -> Iterator[Page]:
    """A fresh visitor; what the page asks of other machines, and errors of its scripts, fail the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(WAIT)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    page.on("request", lambda request: wrong.append(request.url) if _elsewhere(request.url) else None)
    page.goto(demo.url)
    page.wait_for_selector("#player canvas")
    yield page
    context.close()
    assert wrong == []


def _elsewhere(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))


def load_example(page: Page, name: str = "Broken beat") -> None:
    page.get_by_role("button", name=name).click()
    page.wait_for_function(
        f"document.querySelector('.ag-chips')?.innerText.includes('{name.lower().replace(' ', '-')}')"
    )
    page.wait_for_function("window.audiogen.player.wave.buffer !== null")
    page.wait_for_function("window.audiogen.player.wave.mask !== null")


def set_number(page: Page, name: str, value: float) -> None:
    """Type into the number beside a slider, which may be in a part of the page that is closed."""
    box = page.locator(f"#{name} input[type=number]")
    box.fill(str(value))
    box.blur()


def vamp(page: Page, steps: int = 2) -> None:
    """Press the button, and wait for its takes."""
    before = page.locator(".ag-chips button").count()
    if not page.locator("#steps").is_visible():
        page.get_by_role("button", name="Sampling").click()
    set_number(page, "steps", steps)
    page.locator("#vamp-button").click()
    page.wait_for_function(f"document.querySelectorAll('.ag-chips button').length > {before}")
    page.wait_for_function("window.audiogen.player.shown?.name.startsWith('Take')")


def prompt_text(page: Page) -> str:
    return page.locator("#prompt textarea, #prompt input").input_value()


def until(page: Page, condition: str) -> None:
    page.wait_for_function(condition, polling=50)


def screenshot(page: Page, name: str) -> None:
    if folder := os.environ.get("AUDIOGEN_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


SAMPLES = """async (id) => {
  const { player, sound } = window.audiogen;
  const buffer = await sound.load(player.state.tracks.find((track) => track.id === id).url);
  return Array.from(buffer.getChannelData(0).slice(0, 40000));
}"""


def test_an_example_is_vamped_heard_and_differs(page, tmp_path):
    load_example(page)
    vamp(page)
    assert page.locator(".ag-chips button").all_inner_texts() == ["Input: broken-beat", "Take 1", "Take 2"]
    page.locator(".ag-play").click()
    until(page, f"{SOUND}.context.state === 'running' && {SOUND}.playing === 'Take 1'")
    until(page, f"{SOUND}.peak > 0.01")
    start = page.evaluate(f"{SOUND}.now")
    until(page, f"{SOUND}.now > {start} + 0.3 && {SOUND}.position > 0.2")
    ids = page.evaluate("window.audiogen.player.state.tracks.map((track) => track.id)")
    source, first, second = (np.array(page.evaluate(SAMPLES, one)) for one in ids)
    for one, other in [(source, first), (source, second), (first, second)]:
        assert np.abs(one - other).max() > 0.01
    page.locator(".ag-ab").click()
    until(page, f"{SOUND}.playing.startsWith('Input') && {SOUND}.peak > 0.01")
    page.locator(".ag-ab").click()
    until(page, f"{SOUND}.playing === 'Take 1'")
    page.locator(".ag-play").click()
    until(page, f"{SOUND}.playing === null")
    with page.expect_download() as download:
        page.locator(".ag-wav").click()
    download.value.save_as(tmp_path / "take.wav")
    assert b"smpl" in (tmp_path / "take.wav").read_bytes()
    assert soundfile.info(tmp_path / "take.wav").duration == 5
    with page.expect_download() as download:
        page.locator(".ag-json").click()
    assert "audiogen-take" in Path(download.value.path()).read_text()
    page.get_by_role("button", name="Spectrogram and mask").click()
    page.wait_for_function("document.querySelector('#picture img')?.src.includes('take-')")
    screenshot(page, "vamped-1280")


def test_use_as_input_and_undo_and_reuse_seed(page):
    load_example(page)
    vamp(page)
    page.locator(".ag-seed").click()
    seed = page.evaluate("window.audiogen.player.shown.seed")
    page.wait_for_function(f"document.querySelector('#vamp-seed input').value === '{seed}'")
    page.locator(".ag-use").click()
    page.wait_for_function("document.querySelector('.ag-chips').innerText.includes('Input: Take 1')")
    expect(page.locator("#vamp-status")).to_contain_text("its codes are kept")
    page.locator(".ag-undo").click()
    page.wait_for_function("document.querySelector('.ag-chips').innerText.includes('Input: broken-beat')")
    expect(page.locator(".ag-undo")).to_be_disabled()


def test_endless_plays_passes_without_a_gap(page):
    load_example(page)
    page.get_by_role("button", name="Sampling").click()
    set_number(page, "steps", 1)
    page.locator(".ag-endless").click()
    until(page, f"{SOUND}.endless?.scheduled.some((pass) => pass.name === 'Pass 2')")
    passes = page.evaluate(f"{SOUND}.endless.scheduled")
    assert passes[0]["name"].startswith("Input")
    assert [one["name"] for one in passes if one["name"].startswith("Pass") and not one["repeat"]] == [
        "Pass 1",
        "Pass 2",
    ]
    for one, following in itertools.pairwise(passes):
        assert following["start"] == one["end"], "to the sample"
    assert not any(one["late"] for one in passes)
    until(page, f"{SOUND}.playing === 'Pass 1' && {SOUND}.peak > 0.01")
    page.locator(".ag-keep").click()
    page.wait_for_function("document.querySelector('.ag-chips').innerText.includes('Pass 1')")
    page.locator(".ag-play").click()
    until(page, f"{SOUND}.endless === null && {SOUND}.playing === null")
    expect(page.locator("#vamp-status")).to_contain_text("Kept Pass 1")
    until(page, "window.audiogen.player.shown.name === 'Pass 1'")


def test_presets_and_controls_write_the_prompt(page):
    load_example(page)
    assert prompt_text(page) == "periodic(7) & levels(4)"
    share = page.locator(".ag-share").inner_text()
    page.get_by_label("timbre transfer").check()
    page.wait_for_function("document.querySelector('#prompt textarea, #prompt input').value.startsWith('periodic(2)')")
    expect(page.locator(".ag-share")).not_to_have_text(share)
    expect(page.locator("#preset-meaning")).to_contain_text("The same notes with other sounds")
    set_number(page, "periodic", 11)
    page.wait_for_function("document.querySelector('#prompt textarea, #prompt input').value.startsWith('periodic(11)')")
    assert page.locator("#preset input:checked").count() == 0, "it is no longer that preset"
    page.get_by_role("button", name="My presets").click()
    page.locator("#preset-name textarea, #preset-name input").fill("My own")
    page.locator("#preset-save").click()
    expect(page.get_by_label("My own")).to_be_checked()
    page.reload()
    page.wait_for_selector("#player canvas")
    page.get_by_label("My own").check()
    page.wait_for_function("document.querySelector('#prompt textarea, #prompt input').value.startsWith('periodic(11)')")
    page.get_by_role("button", name="My presets").click()
    page.locator("#preset-delete").click()
    expect(page.get_by_label("My own")).to_have_count(0)


def test_regions_are_dragged(page):
    load_example(page)
    canvas = page.locator("#player canvas")
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.27, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.40, box["y"] + 60, steps=4)
    page.mouse.move(box["x"] + box["width"] * 0.52, box["y"] + 60, steps=4)
    page.mouse.up()
    page.wait_for_function("document.querySelector('#prompt textarea, #prompt input').value.startsWith('inpaint')")
    assert prompt_text(page) == "inpaint(1.25-2.5) | periodic(7) & levels(4)", "snapped to the beats"
    screenshot(page, "region-1280")
    vamp(page)
    canvas.click(position={"x": box["width"] * 0.5 - 8, "y": 8})
    page.wait_for_function("document.querySelector('#prompt textarea, #prompt input').value.startsWith('periodic')")


def _write(path: Path, samples: np.ndarray, rate: int = 8000) -> Path:
    soundfile.write(path, samples, rate)
    return path


def _not_audio(folder: Path) -> Path:
    (folder / "text.wav").write_text("no sound")
    return folder / "text.wav"


NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 8000 * 2)
FILES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "text": (_not_audio, "expected an audio file"),
    "surround": (lambda folder: _write(folder / "5.1.wav", np.tile(NOISE[:, None], 6)), "got 6 channels"),
    "half an hour": (lambda folder: _write(folder / "long.flac", np.zeros(8000 * 1800, np.int16)), "at most 5 minutes"),
}
SOUNDS = {
    "silence": (np.zeros(16000), "got silence"),
    "a tenth of a second": (NOISE[:800], "expected 0.5 seconds"),
}


def upload(page: Page, path: Path) -> None:
    page.locator("#source input[type=file]").set_input_files(path)


def toast(page: Page, message: str) -> None:
    """The message appears, and can be closed."""
    shown = page.locator(".toast-body", has_text=message).first
    expect(shown).to_be_visible()
    shown.get_by_test_id("toast-close").click()


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_refused_leaves_the_page_usable(page, tmp_path, kind):
    make, message = FILES[kind]
    upload(page, make(tmp_path))
    toast(page, message)
    load_example(page)
    vamp(page, steps=1)


@pytest.mark.parametrize("kind", SOUNDS)
def test_a_sound_that_cannot_be_vamped_leaves_the_page_usable(page, tmp_path, kind):
    samples, message = SOUNDS[kind]
    upload(page, _write(tmp_path / "sound.wav", samples))
    page.wait_for_function("document.querySelector('.ag-chips').innerText.includes('sound')")
    page.locator("#vamp-button").click()
    toast(page, message)
    load_example(page)
    vamp(page, steps=1)


def test_phone_audio_is_vamped(page, tmp_path):
    upload(page, _write(tmp_path / "phone.wav", NOISE))
    page.wait_for_function("document.querySelector('.ag-chips').innerText.includes('phone')")
    vamp(page, steps=1)
    assert page.evaluate(f"{SOUND}.context.sampleRate") == 8000


def test_a_recording_is_vamped(page):
    page.locator("#source").get_by_label("Record audio").click()
    page.get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(1500)
    page.get_by_role("button", name="Stop", exact=True).click()
    until(page, "window.audiogen.player.wave.duration > 0.5")
    vamp(page, steps=1)


def test_prompts_that_are_refused_or_remarkable(page):
    page.locator("#vamp-button").click()
    toast(page, "Choose an example")
    load_example(page)
    box = page.locator("#prompt textarea, #prompt input")
    for text, message in [("perodic(7)", "The nearest: periodic"), ("inpaint(80-90)", "within this sound")]:
        box.fill(text)
        expect(page.locator("#mask")).to_contain_text(message)
        page.locator("#vamp-button").click()
        toast(page, message)
    for text, note in [("everything()", "keeps everything"), ("nothing()", "keeps nothing")]:
        box.fill(text)
        vamp(page, steps=1)
        expect(page.locator("#vamp-status")).to_contain_text(note)
    box.fill("inpaint(80-90)")
    page.locator(".ag-endless").click()
    toast(page, "within this sound")
    until(page, f"{SOUND}.endless === null")


def test_twelve_presses_of_three_visitors(browser, demo):
    contexts = [browser.new_context() for _ in range(3)]
    pages = [context.new_page() for context in contexts]
    for page in pages:
        page.set_default_timeout(WAIT)
        page.goto(demo.url)
        page.wait_for_selector("#player canvas")
        load_example(page)
    for _ in range(4):
        for page in pages:
            page.locator("#vamp-button").click(no_wait_after=True)
    for page in pages:
        page.wait_for_function("document.querySelectorAll('.ag-chips button').length >= 3")
        assert page.locator(".toast-body").count() == 0
    for context in contexts:
        context.close()


def test_speak(page):
    page.get_by_role("tab", name="Speak").click()
    page.locator("#speak-text textarea").fill("It speaks.")
    page.locator("#speak-button").click()
    expect(page.locator("#speak-facts")).to_contain_text("s of speech")
    page.wait_for_selector("#speak-sound #waveform")
    assert int(page.locator("#speak-used input").input_value()) > 0
    screenshot(page, "speak-1280")
    page.locator("#speak-text textarea").fill("   ")
    page.locator("#speak-button").click()
    toast(page, "xpected")


def test_music_is_made_and_vamped(page):
    page.get_by_role("tab", name="Music").click()
    page.locator("#music-to-vamp").click()
    toast(page, "Make one first")
    page.locator("#music-caption textarea").fill("a jig")
    set_number(page, "music-seconds", 2)
    set_number(page, "music-hybrid", 0.5)
    page.locator("#music-button").click()
    expect(page.locator("#music-facts")).to_contain_text("2.0 s of music")
    page.wait_for_selector("#music-sound #waveform")
    assert int(page.locator("#music-used input").input_value()) > 0
    expect(page.locator("#music-settings")).to_contain_text(".json")
    screenshot(page, "music-1280")
    page.locator("#music-to-vamp").click()
    page.wait_for_selector("#vamp-button", state="visible")
    page.wait_for_function("document.querySelector('.ag-chips')?.innerText.includes('music-')")
    page.wait_for_function("window.audiogen.player.wave.buffer !== null")
    vamp(page)
    page.get_by_role("tab", name="Music").click()
    set_number(page, "music-hybrid", 9)
    page.locator("#music-button").click()
    toast(page, "hybrid of at most")


def stroke(page: Page, across: tuple[float, float], up: tuple[float, float]) -> None:
    """Draw a line on the spectrogram, from and to shares of its width and height."""
    page.wait_for_function("window.audiogen.painter.state !== null")
    box = page.locator("#sound-painter canvas").bounding_box()
    start, end = (
        (box["x"] + box["width"] * x, box["y"] + box["height"] * (1 - y)) for x, y in zip(across, up, strict=True)
    )
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=12)
    page.mouse.up()


def settings_of(page: Page) -> dict:
    """What the page hands out beside the result."""
    with page.expect_download() as download:
        page.locator("#sound-settings a").first.click()
    return json.loads(Path(download.value.path()).read_text())["passes"][-1]["settings"]


def test_sounds_are_made_painted_on_and_sent(page):
    page.get_by_role("tab", name="Sound").click()
    page.locator("#sound-inpaint").click()
    toast(page, "Expected a sound to mend")
    page.locator("#sound-caption textarea").fill("rain")
    for name, value in (("seconds", 2), ("steps", 2), ("variations", 2)):
        set_number(page, f"sound-{name}", value)
    page.locator("#sound-button").click()
    expect(page.locator("#sound-facts")).to_contain_text("2.0 s of sound")
    page.wait_for_selector("#sound-player #waveform")
    expect(page.locator("#sound-choices label")).to_have_count(2)
    page.locator("#sound-choices label").nth(1).click()
    page.locator("#sound-use").click()
    page.wait_for_selector("#sound-given #waveform")
    until(page, "window.audiogen.painter.state !== null")
    page.locator("#sound-inpaint").click()
    toast(page, "Expected something painted")
    stroke(page, (0.3, 0.5), (0.95, 0.95))
    expect(page.locator("#sound-painter .ag-share")).to_contain_text("4 cells")
    page.locator("#sound-inpaint").click()
    expect(page.locator("#sound-choices")).to_be_hidden()
    told = settings_of(page)
    assert told["task"] == "inpaint"
    assert all(0.3 < start < end < 1.5 and low > 5000 for start, end, low, _ in told["regions"]), "the top row"
    screenshot(page, "sound-1280")
    page.locator("#sound-painter .ag-clear").click()
    expect(page.locator("#sound-painter .ag-share")).to_have_text("Nothing is marked")
    page.locator("#sound-painter canvas").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", " "):  # the first one shows the cursor
        page.keyboard.press(key)
    assert page.evaluate("window.audiogen.painter.cells[1][1]"), "by the keyboard"
    page.locator("#sound-cutoff input").fill("4000")
    page.locator("#sound-extend").click()
    expect(page.locator("#sound-facts")).to_contain_text("kept up to 4000 Hz")
    page.locator("#sound-vary").click()
    expect(page.locator("#sound-choices label")).to_have_count(2)
    page.locator("#sound-to-vamp").click()
    page.wait_for_selector("#vamp-button", state="visible", timeout=3 * WAIT)  # the first beat tracking takes long
    page.wait_for_function("document.querySelector('.ag-chips')?.innerText.includes('sound-')")


def test_a_sound_is_mended_by_numbers_alone(page, tmp_path):
    page.get_by_role("tab", name="Sound").click()
    page.locator("#sound-given input[type=file]").set_input_files(_write(tmp_path / "noise.wav", NOISE))
    page.wait_for_selector("#sound-given #waveform")
    set_number(page, "sound-steps", 2)
    for label, value in (("From (seconds)", 0.5), ("To (seconds)", 1), ("From (Hz)", 1000), ("To (Hz)", 3000)):
        page.get_by_label(label).fill(str(value))
    page.locator("#sound-inpaint").click()
    expect(page.locator("#sound-facts")).to_contain_text("2.0 s of sound")
    assert settings_of(page)["regions"] == [[0.5, 1, 1000, 3000]]
    page.get_by_label("To (seconds)").fill("9")
    page.locator("#sound-inpaint").click()
    toast(page, "within this sound")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits(page, width):
    page.set_viewport_size({"width": width, "height": 844})
    load_example(page)
    vamp(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing to scroll sideways"
    narrow = page.evaluate("""[...document.querySelectorAll('.ag-player button, .ag-player a, #vamp-button')]
        .filter((one) => one.offsetParent && (one.scrollWidth > one.clientWidth + 1 || one.clientHeight < 30))
        .map((one) => one.textContent)""")
    assert narrow == [], "labels that do not fit, or buttons too small to touch"
    screenshot(page, f"page-{width}")
    for tab in ("Music", "Sound", "Speak"):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_selector(f"#{tab.lower()}-button", state="visible")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        screenshot(page, f"{tab.lower()}-{width}")
