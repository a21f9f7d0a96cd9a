"""New words on a base: what they read as, and that nothing of them stays."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from studio.bases.base_model import BaseModel
from studio.examples.captions import encode_captions
from studio.examples.tensor_store import content_digest
from studio.training.placeholder_tokens import PlaceholderTokens, token_names

TEXT = "a <t> b"


def rows(base: BaseModel, num_vectors: int, word: str = "<t>") -> list[dict[str, nn.Parameter]]:
    generator = torch.Generator().manual_seed(1)
    widths = [e.get_input_embeddings().weight.shape[1] for e in base.text_encoders]
    return [{word: nn.Parameter(torch.randn(num_vectors, w, generator=generator))} for w in widths]


@torch.no_grad()
def states(base: BaseModel, text: str = TEXT) -> torch.Tensor:
    return encode_captions(base, [text]).hidden_states


def digests(base: BaseModel) -> list[str]:
    return [content_digest(encoder.state_dict()) for encoder in base.text_encoders]


def test_the_new_vectors_are_what_the_encoder_sees(tiny_base: BaseModel) -> None:
    """The same text with the embeddings worked out by hand."""
    bare = tiny_base.tokenizer("a b", padding="max_length", return_tensors="pt").input_ids[0]
    own = tiny_base.text_encoder.get_input_embeddings()
    ((vectors),) = (rows(tiny_base, 2)[0]["<t>"],)
    start, rest = bare[:2], bare[2:-2]
    seen = torch.cat([own(start), vectors, own(rest)]).detach()
    PlaceholderTokens(tiny_base, rows(tiny_base, 2))
    found: dict[str, torch.Tensor] = {}
    embeddings = tiny_base.text_encoder.get_submodule("embeddings")
    layer = embeddings.get_submodule("token_embedding")
    layer.register_forward_hook(lambda _, __, output: found.update(seen=output[0]))
    states(tiny_base)
    assert torch.equal(found["seen"].detach(), seen)


@pytest.mark.parametrize("name", ["tiny_base", "tiny_sdxl"])
def test_nothing_is_left_of_them(name: str, request: pytest.FixtureRequest) -> None:
    base: BaseModel = request.getfixturevalue(name)
    before, clean, lengths = digests(base), states(base), [len(t) for t in base.tokenizers]
    tokenizers = base.tokenizers
    tokens = PlaceholderTokens(base, rows(base, 3))
    assert [len(t) for t in base.tokenizers] == [length + 3 for length in lengths]
    inside = states(base)
    with tokens.removed():
        assert base.tokenizers is tokenizers
        assert [len(t) for t in base.tokenizers] == lengths
        assert not any("<t>" in t.added_tokens_encoder for t in base.tokenizers)
        assert digests(base) == before
        assert torch.equal(states(base), clean)
    assert torch.equal(states(base), inside)
    assert not torch.allclose(inside, clean, atol=1e-3)
    tokens.take_out()
    assert digests(base) == before


def test_gradients_reach_the_new_rows_alone(tiny_base: BaseModel) -> None:
    vectors = rows(tiny_base, 2)
    PlaceholderTokens(tiny_base, vectors)
    encode_captions(tiny_base, [TEXT, "a b"]).hidden_states.sum().backward()
    gradient = vectors[0]["<t>"].grad
    assert gradient is not None
    assert gradient.any(dim=1).all(), "a vector of the word has no gradient"
    with_gradient = [p for p in tiny_base.text_encoder.parameters() if p.grad is not None]
    assert [id(p) for p in with_gradient] == [id(vectors[0]["<t>"])]


def test_several_vectors_are_written_out_by_diffusers(tiny_base: BaseModel) -> None:
    from diffusers.loaders import TextualInversionLoaderMixin

    PlaceholderTokens(tiny_base, rows(tiny_base, 3))
    written_out = TextualInversionLoaderMixin().maybe_convert_prompt(TEXT, tiny_base.tokenizer)
    assert written_out == "a <t> <t>_1 <t>_2 b"
    assert token_names("<t>", 3) == ["<t>", "<t>_1", "<t>_2"]
    assert torch.equal(states(tiny_base, TEXT), states(tiny_base, written_out))


def test_a_word_of_the_vocabulary_is_refused(tiny_base: BaseModel) -> None:
    for known in ("a", "<|endoftext|>"):
        with pytest.raises(ValueError, match="vocabulary"):
            PlaceholderTokens(tiny_base, rows(tiny_base, 1, known))


def test_the_same_word_of_another_owner_is_hidden(tiny_base: BaseModel) -> None:
    first, second = rows(tiny_base, 2), rows(tiny_base, 2)
    second[0]["<t>"].data.neg_()
    PlaceholderTokens(tiny_base, first)
    outer = states(tiny_base)
    tokens = PlaceholderTokens(tiny_base, second)
    assert not torch.equal(states(tiny_base), outer)
    tokens.take_out()
    assert torch.equal(states(tiny_base), outer)
    with pytest.raises(ValueError, match="another number of vectors"):
        PlaceholderTokens(tiny_base, rows(tiny_base, 3))


def test_the_pooled_vector_is_read_at_the_end_of_the_text(tiny_sdxl: BaseModel) -> None:
    """Stable Diffusion's own configurations hold 2 for the end token's id, which means "the highest"."""
    second = tiny_sdxl.text_encoders[1]
    readers = [module for module in second.modules() if hasattr(module, "eos_token_id")]
    PlaceholderTokens(tiny_sdxl, rows(tiny_sdxl, 1)).take_out()
    right = PlaceholderTokens(tiny_sdxl, rows(tiny_sdxl, 1))
    expected = encode_captions(tiny_sdxl, [TEXT]).pooled
    right.take_out()
    for reader in readers:
        reader.eos_token_id = 2
    plain = encode_captions(tiny_sdxl, ["a b"]).pooled
    tokens = PlaceholderTokens(tiny_sdxl, rows(tiny_sdxl, 1))
    pooled = encode_captions(tiny_sdxl, [TEXT]).pooled
    plain_inside = encode_captions(tiny_sdxl, ["a b"]).pooled
    assert pooled is not None
    assert expected is not None
    assert torch.equal(pooled, expected)
    assert plain is not None
    assert plain_inside is not None
    assert torch.equal(plain_inside, plain)
    tokens.take_out()
    assert readers
    assert {reader.eos_token_id for reader in readers} == {2}
