from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler

from studio.bases.base_model import BaseModel
from studio.bases.loading import load_base
from studio.errors import RecipeError
from studio.preview.sampler import sample
from studio.preview.schedulers import SOLVERS, WORDS, scheduler_for, scheduler_word
from studio.preview.settings import SamplingSettings
from studio.preview.stages import pipeline
from studio.recipe import validated

# diffusers reads tensors with numpy in a way that numpy 2 finds old.
pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")

STOCHASTIC = [word for word in WORDS if "SDE" in word or " a" in word or word == "LCM"]
STEPS = {"DPM2 a Karras": 30}  # with 16 it is not done yet


@pytest.fixture(scope="module")
def pocket() -> BaseModel:
    return load_base("pocket")


@pytest.fixture(scope="module")
def ddim(pocket: BaseModel) -> dict[tuple[str, int], np.ndarray]:
    """Pictures of many steps, by prompt and seed."""
    jobs = [("blue book", 0), ("blue book", 1), ("a cat", 0)]
    return {job: drawn(pocket, *job, num_inference_steps=40) for job in jobs}


def drawn(base: BaseModel, prompt: str, seed: int, **settings: Any) -> np.ndarray:
    return np.asarray(sample(base, [prompt], [seed], SamplingSettings(**settings))[0], float)


def test_every_word_has_a_scheduler(pocket: BaseModel) -> None:
    assert {word for word in WORDS if word.split()[-1] not in ("Karras", "Exponential")} == {
        "DDIM",
        *SOLVERS,
    }
    for word in WORDS:
        assert scheduler_for(pocket, word).config.prediction_type == "v_prediction"


@pytest.mark.slow
@pytest.mark.parametrize("word", WORDS[1:])
def test_each_draws_what_is_asked_for(
    pocket: BaseModel, ddim: dict[tuple[str, int], np.ndarray], word: str
) -> None:
    """The others end where DDIM does; a stochastic one ends elsewhere, with the same thing in it."""
    steps = STEPS.get(word, 16)
    picture = drawn(pocket, "blue book", 0, scheduler=word, num_inference_steps=steps)
    other = ddim["a cat", 0] if word in STOCHASTIC else ddim["blue book", 1]
    far = np.abs(picture - other).mean()
    near = np.abs(picture - ddim["blue book", 0]).mean()
    assert 50 < picture.std() < 120
    assert near < 0.6 * far


@pytest.mark.parametrize("word", ["Euler a", "DPM++ 2M SDE Karras", "DPM++ SDE", "LCM"])
def test_a_stochastic_picture_does_not_depend_on_its_batch(
    small_base: BaseModel, word: str
) -> None:
    settings = SamplingSettings(num_inference_steps=4, scheduler=word)
    together = [np.asarray(p, int) for p in sample(small_base, ["a", "b"], [3, 4], settings)]
    alone = np.asarray(sample(small_base, ["b"], [3], settings)[0], int)
    assert np.abs(together[2] - alone).max() <= 1
    assert np.abs(together[2] - together[3]).max() > 1
    again = np.asarray(sample(small_base, ["b"], [3], settings)[0], int)
    assert np.array_equal(alone, again)


def test_the_noise_of_the_steps_is_not_that_of_the_beginning(
    small_base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The picture's generator goes on where the first noise left it, as the webuis' does."""
    seen: list[Any] = []
    kind = type(pipeline(small_base))
    monkeypatch.setattr(kind, "__call__", _remembering(kind.__call__, seen))
    sample(small_base, ["a"], [5], SamplingSettings(num_inference_steps=1))
    both = torch.randn((2, 4, 8, 8), generator=torch.Generator().manual_seed(5))
    assert torch.equal(seen[0]["latents"][0], both[0])
    assert torch.equal(torch.randn((1, 4, 8, 8), generator=seen[0]["generator"][0])[0], both[1])


def _remembering(call: Any, seen: list[Any]) -> Any:
    def wrapped(self: Any, **arguments: Any) -> Any:
        seen.append({**arguments, "generator": [g.clone_state() for g in arguments["generator"]]})
        return call(self, **arguments)

    return wrapped


def k_diffusion_levels(base: BaseModel, count: int, spacing: str) -> np.ndarray:
    """k-diffusion's get_sigmas, get_sigmas_karras and get_sigmas_exponential, by their formulas."""
    alphas_cumprod = base.noise_scheduler.alphas_cumprod.double().numpy()
    sigmas = np.sqrt((1 - alphas_cumprod) / alphas_cumprod)
    low, high, ramp = sigmas[0], sigmas[-1], np.linspace(0, 1, count)
    if spacing == "Karras":
        return (high ** (1 / 7) + ramp * (low ** (1 / 7) - high ** (1 / 7))) ** 7
    if spacing == "Exponential":
        return np.exp(np.linspace(np.log(high), np.log(low), count))
    return np.exp(np.interp(np.linspace(999, 0, count), np.arange(1000), np.log(sigmas)))


@pytest.mark.parametrize("word", [w for w in WORDS if w not in ("DDIM", "UniPC", "LCM", "DEIS")])
def test_noise_levels_are_the_webuis(tiny_base: BaseModel, word: str) -> None:
    """On ordinary noise, at ten steps, whose timesteps are whole numbers."""
    scheduler = scheduler_for(tiny_base, word)
    scheduler.set_timesteps(10, device="cpu")
    levels = scheduler.sigmas.numpy()
    levels = levels[np.concatenate([[True], np.diff(levels) != 0])]  # Heun writes each one twice
    count = 20 if word.startswith("DPM++ SDE") else 10
    expected = k_diffusion_levels(tiny_base, count, word.rsplit(maxsplit=1)[-1])
    np.testing.assert_allclose(levels[:-1], expected, rtol=0.03 if count == 20 else 1e-3)
    assert levels[-1] == 0


@pytest.mark.parametrize("word", ["Euler", "DPM++ 2M Karras", "Heun", "LMS"])
def test_the_first_noise_is_as_strong_as_the_first_level(tiny_base: BaseModel, word: str) -> None:
    scheduler = scheduler_for(tiny_base, word)
    scheduler.set_timesteps(8, device="cpu")
    strength = float(scheduler.init_noise_sigma)
    expected = 1.0 if word.startswith("DPM++") else float(scheduler.sigmas[0])
    assert strength == pytest.approx(expected)


def test_zero_terminal_snr_ends_in_a_finite_level(small_base: BaseModel) -> None:
    for word in ("Euler", "Heun", "DPM++ 2M Karras"):
        scheduler = scheduler_for(small_base, word)
        scheduler.set_timesteps(8, device="cpu")
        assert float(scheduler.sigmas[0]) == pytest.approx(100, rel=1e-3)


def test_the_bases_own_betas_are_used(tiny_base: BaseModel) -> None:
    other = replace(
        tiny_base,
        noise_scheduler=DDPMScheduler(beta_schedule="linear", beta_end=0.03, clip_sample=False),
    )
    expected = other.noise_scheduler.alphas_cumprod
    torch.testing.assert_close(scheduler_for(other, "Euler").alphas_cumprod, expected)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ("ddim", "DDIM"),
        ("euler a", "Euler a"),
        (" dpm++  2m KARRAS", "DPM++ 2M Karras"),
        ("Dpm++_2M_SDE_Karras", "DPM++ 2M SDE Karras"),
        ("unipc", "UniPC"),
    ],
)
def test_words_in_any_case(given: str, word: str) -> None:
    assert scheduler_word(given) == word
    assert SamplingSettings.model_validate({"scheduler": given}).scheduler == word


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("eular a", 'did you mean "Euler a"?'),
        ("dpmpp 2m karas", 'did you mean "DPM++ 2M Karras"?'),
        ("???", "there are: DDIM, Euler a, "),
    ],
)
def test_an_unknown_word_is_refused_in_one_line(given: str, hint: str) -> None:
    with pytest.raises(RecipeError) as caught:
        validated(SamplingSettings, {"scheduler": given})
    (problem,) = caught.value.problems
    assert problem.startswith(f'scheduler: "{given}" is no scheduler that is known here; {hint}')


def test_a_scheduler_is_a_word() -> None:
    with pytest.raises(RecipeError, match=r"^scheduler: 3 is not one of"):
        validated(SamplingSettings, {"scheduler": 3})


def test_a_recipes_prompts_call_no_adapters() -> None:
    for content in ({"prompts": ["cat", "<lora:x:1> cat"]}, {"negative_prompt": "<lora:x:1>"}):
        with pytest.raises(
            RecipeError, match="<lora:x:1> calls an adapter, which works in `studio"
        ):
            validated(SamplingSettings, content)
