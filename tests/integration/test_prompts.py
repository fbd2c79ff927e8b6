"""If these fail, an edit of a prompt changes what is already there, is lost, or does not reach what is generated next."""

from dataclasses import dataclass

import pytest
from sqlmodel import Session

from app import db
from app.catalog.prompt_texts import PROMPTS
from app.errors import Conflict
from app.imaging import encode_png
from app.models import Candidate, Image, Method, Refusal, Stage, Verdict
from app.services import prompt_edits, prompts
from app.storage import storage
from tests import factories
from tests.conftest import SignedIn
from tests.integration.test_pages_queries import MOST_STATEMENTS, history, statements

RAIN = "/prompts/fix/rain"
PAPER = PROMPTS["fix", "rain"].user


def in_use(kind: str = "fix", category: str = "rain") -> prompts.InUse:
    with db.reading() as session:
        return prompts.in_use(session)[kind, category]


def stored(kind: str = "fix", category: str = "rain") -> dict[int, str]:
    """Every version's text by its number."""
    with db.reading() as session:
        return {v.version: v.user for v in prompts.versions(session, kind, category)}


def test_an_edit_is_a_new_version_and_old_ones_stay_word_for_word(researcher: SignedIn) -> None:
    answer = researcher.post(RAIN, data={"user": "Take the <rain> away.\r\nAll of it.", "note": "drops stayed", "seen": "1"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{RAIN}?saved=2")
    assert stored() == {2: "Take the <rain> away.\nAll of it.", 1: PAPER}
    assert in_use().version == 2
    page = researcher.get(answer.headers["location"]).text
    assert "Version 2 is in use from now on; candidates made with earlier versions keep theirs." in page
    for told in ("Take the &lt;rain&gt; away.", "drops stayed", "the paper", "Appendix B, Table B.1"):
        assert told in page, told
    assert "Version 2" in researcher.get("/prompts").text
    assert in_use("fix", "haze").version == 1


def test_an_old_version_chosen_again_is_used_exactly(researcher: SignedIn) -> None:
    before = in_use("meta", "haze")
    researcher.post("/prompts/meta/haze", data={"system": "A system.", "user": "A user."})
    assert in_use("meta", "haze") == prompts.InUse(2, "A system.", "A user.")
    answer = researcher.post("/prompts/meta/haze/use", data={"version": "1"})
    assert in_use("meta", "haze") == before
    page = researcher.get(answer.headers["location"]).text
    assert "Version 1 is in use from now on; candidates made with other versions keep theirs." in page
    assert researcher.post("/prompts/meta/haze/use", data={"version": "9"}).status_code == 404
    assert in_use("meta", "haze") == before


def test_two_people_editing_do_not_overwrite_each_other(researcher: SignedIn, admin: SignedIn) -> None:
    assert researcher.post(RAIN, data={"user": "Mine.", "seen": "1"}).status_code == 303
    late = admin.post(RAIN, data={"user": "Another's, long thought about.", "note": "because", "seen": "1"})
    assert late.status_code == 409
    assert "put version 2 in use while you were writing" in late.text
    assert "Another&#39;s, long thought about." in late.text, "what was typed is lost"
    assert stored() == {2: "Mine.", 1: PAPER}
    assert 'name="seen" value="2"' in late.text, "saving again would be refused for ever"
    assert admin.post(RAIN, data={"user": "Another's.", "seen": "2"}).status_code == 303
    assert stored() == {3: "Another's.", 2: "Mine.", 1: PAPER}


@pytest.mark.parametrize("engine_url", ["postgresql"], indirect=True)
def test_two_edits_in_the_same_moment_are_one_and_a_conflict(database: str) -> None:
    """Neither transaction sees the other: only the database can tell them apart (SQLite lets one writer in at a time)."""
    with db.unit_of_work() as late:
        late.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        assert prompts.versions(late, "fix", "rain")[0].version == 1
        with db.unit_of_work() as faster:
            prompts.edit(faster, None, "fix", "rain", system="", user="Faster.")
        with pytest.raises(Conflict, match="in the same moment"):
            prompt_edits.edit(late, None, "fix", "rain", seen=1, system="", user="Slower.", note="")
    assert stored() == {2: "Faster.", 1: PAPER}


@pytest.mark.parametrize(
    ("typed", "told"), [("  ", "needs a text"), (PAPER, "word for word"), ("x" * 20_001, "at most 20,000 characters")]
)
def test_what_cannot_be_stored_is_told_beside_what_was_typed(researcher: SignedIn, typed: str, told: str) -> None:
    answer = researcher.post(RAIN, data={"user": typed, "note": "my long reason", "seen": "1"})
    assert answer.status_code == 400
    assert told in answer.text
    assert typed in answer.text
    assert "my long reason" in answer.text
    assert stored() == {1: PAPER}


def test_an_annotator_reads_and_does_not_edit(annotator: SignedIn) -> None:
    page = annotator.get(RAIN)
    assert page.status_code == 200
    assert PAPER in page.text
    assert "<textarea" not in page.text
    assert annotator.post(RAIN, data={"user": "Mine."}).status_code == 403
    assert annotator.post(f"{RAIN}/use", data={"version": "1"}).status_code == 403
    assert stored() == {1: PAPER}


def test_any_two_versions_are_compared_word_by_word(researcher: SignedIn) -> None:
    for text in (PAPER.replace("clarity", "sharpness"), "Something else."):
        researcher.post(RAIN, data={"user": text})
    page = researcher.get(f"{RAIN}?version=2&with=1").text
    assert "<del>clarity</del><ins>sharpness</ins>" in page
    assert "From version 1 to version 2" in page
    assert researcher.get(f"{RAIN}?with=9").status_code == 404
    assert researcher.get("/prompts/fix/fog").status_code == 404
    assert researcher.get("/prompts/poem/rain").status_code == 404


def test_prompts_take_few_statements(researcher: SignedIn) -> None:
    for kind in ("fix", "fix-nc"):
        researcher.post(f"/prompts/{kind}/rain", data={"user": "Mine."})
    for path in ("/prompts", RAIN, f"{RAIN}?with=1"):
        with statements() as seen:
            assert researcher.get(path).status_code == 200
        assert len(seen) <= 3, "\n".join(seen)


# --- prompts written for one image -----------------------------------------------------------------------------------


def written_image() -> int:
    """An image for which Gemini wrote a prompt with the paper's meta-prompt."""
    with db.unit_of_work() as session:
        image_id = factories.make_image(session).id or 0
        prompts.edit_written(session, None, image_id, "gemini", 1, "Remove <drops>.", stand_in=False)
    return image_id


def test_edition_two_is_used_and_edition_one_stays(researcher: SignedIn) -> None:
    image_id = written_image()
    form = {"text": "Remove drops, keep the lamps.", "meta_version": "1", "stand_in": "false", "seen": "1"}
    answer = researcher.post(f"/images/{image_id}/prompts/gemini?category=rain", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/images/{image_id}?category=rain#prompts")
    with db.reading() as session:
        used = prompts.written(session, [image_id], "gemini", stand_in=False)[image_id, 1]
        rows = prompts.written_for(session, image_id)
    assert (used.edition, used.text, used.author_id) == (2, "Remove drops, keep the lamps.", researcher.user_id)
    assert {row.edition: row.text for row in rows} == {2: "Remove drops, keep the lamps.", 1: "Remove <drops>."}
    page = researcher.get(f"/images/{image_id}").text
    assert page.index("Remove drops, keep the lamps.") < page.index("Remove &lt;drops&gt;.")


def test_a_late_edition_and_an_empty_one_are_told_and_not_lost(researcher: SignedIn) -> None:
    image_id = written_image()
    address = f"/images/{image_id}/prompts/gemini"
    late = researcher.post(address, data={"text": "Too late.", "meta_version": "1", "seen": "0"})
    assert late.status_code == 409
    assert "while you were writing" in late.text
    assert "Too late.</textarea>" in late.text
    assert "at most" not in researcher.post(address, data={"text": "", "meta_version": "1"}).text
    assert researcher.post(f"/images/{image_id}/prompts/nobody", data={"text": "x", "meta_version": "1"}).status_code == 404
    with db.reading() as session:
        assert len(prompts.written_for(session, image_id)) == 1


def test_a_person_writes_in_the_place_of_a_vlm(researcher: SignedIn, annotator: SignedIn) -> None:
    image_id = written_image()
    assert "Write one yourself" in researcher.get(f"/images/{image_id}").text
    assert "Write one yourself" not in annotator.get(f"/images/{image_id}").text
    form = {"text": "By hand.", "meta_version": "1", "seen": "0"}
    assert annotator.post(f"/images/{image_id}/prompts/gpt", data=form).status_code == 403
    assert researcher.post(f"/images/{image_id}/prompts/gpt", data=form).status_code == 303
    with db.reading() as session:
        assert prompts.written(session, [image_id], "gpt", stand_in=False)[image_id, 1].edition == 1
    assert "Write one yourself" not in researcher.get(f"/images/{image_id}").text


def test_a_new_meta_prompt_asks_for_new_prompts(researcher: SignedIn) -> None:
    """What was written with the version before is shown, and said not to be used."""
    image_id = written_image()
    researcher.post("/prompts/meta/rain", data={"system": "A system.", "user": "A user."})
    page = researcher.get(f"/images/{image_id}").text
    assert "version 2 of the meta-prompt" in page
    assert "not used now: meta-prompt 1" in page
    assert page.count("Write one yourself") == 2


def test_a_stand_in_s_prompt_is_labelled(researcher: SignedIn) -> None:
    with db.unit_of_work() as session:
        image_id = factories.make_image(session).id or 0
        prompts.edit_written(session, None, image_id, "gemini", 1, "By a stand-in.", stand_in=True)
    page = researcher.get(f"/images/{image_id}").text
    assert "stand-in: no VLM wrote this" in page
    assert "not used now" in page


# --- the image page --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    image_id: int
    candidate_id: int


@pytest.fixture
def told(database: str) -> Told:
    """An image with a stand-in's candidate that came shifted, a verdict that the rule disagrees with, and a refusal."""
    with db.unit_of_work() as session:
        image = factories.make_image(session, Stage.AWAITING)
        candidate = shifted(session, image)
        refused = Method(name="seedream-5.0 / fix-nc", generator="seedream-5.0", strategy="fix-nc")
        session.add(refused)
        session.flush()
        for sample, reason in enumerate(("IMAGE_SAFETY", "WRONG_ASPECT")):
            session.add(
                Refusal(
                    image_id=image.id or 0, method_id=refused.id or 0, recipe_hash="r" * 64, sample=sample, reason=reason,
                    recipe={"prompt_version": "fix-nc/1"}, message=f"It said <no> {sample}.",
                )
            )  # fmt: skip
        prompts.edit_written(session, None, image.id or 0, "gemini", 1, "Remove drops.", stand_in=False)
        session.flush()
        return Told(image.id or 0, candidate.id or 0)


def shifted(session: Session, image: Image) -> Candidate:
    candidate = factories.make_candidate(session, image, method="nano-banana-pro / fix (stand-in)")
    method = session.get_one(Method, candidate.method_id)
    method.generator, method.strategy, method.stand_in = "nano-banana-pro", "fix", True
    candidate.recipe = {
        "params": {}, "prompt": "Remove <the rain>. " * 30, "prompt_version": "fix/3", "prompt_cut": True,
        "extra": "Keep <faces>.",
    }  # fmt: skip
    candidate.checks = {
        "width": 1264, "height": 848, "resized": True, "padded": False, "shift": [4.0, -8.0], "likeness": 0.5
    }  # fmt: skip
    candidate.raw_sha256 = storage().put(encode_png(factories.picture(9_999, 80)))
    session.add(
        Verdict(
            candidate_id=candidate.id or 0, judge="gemini-3.1-pro", version="1", raw="", decision="accept",
            rule_decision="reject", stand_in=True, scores={"object_consistency": 40},
        )
    )  # fmt: skip
    return candidate


def test_an_image_page_tells_how_every_image_came_about(annotator: SignedIn, told: Told) -> None:
    page = annotator.get(f"/images/{told.image_id}").text
    for part in (
        "Remove &lt;the rain&gt;. " * 30, "prompt fix/3", "cut to the model&#39;s limit", "Keep &lt;faces&gt;.",
        "came as 1264 x 848, resized to 64 x 64, shifted by (4, -8) px", ">shifted<", "stand-in: not an MFM",
        "Gemini-3.1-Pro", "accepts", "rule: reject", "judge and rule disagree", "stand-in, never VLM-R",
        "The provider&#39;s safety filter", "IMAGE_SAFETY", "It said &lt;no&gt; 0.", "Another framing than the LQ&#39;s",
        "seedream-5.0 / fix-nc", f"/files/candidates/{told.candidate_id}/raw",
    ):  # fmt: skip
        assert part.replace("&#39;", "'") in page.replace("&#39;", "'"), part


@pytest.mark.parametrize("query", ["", "?sort=niqe"])
def test_an_image_page_with_everything_takes_at_most_eight_statements(admin: SignedIn, told: Told, query: str) -> None:
    with db.unit_of_work() as session:
        image_id = history(session, admin.user_id)
        shifted(session, session.get_one(Image, image_id))
        prompts.edit(session, None, "meta", "rain", system="A system.", user="A user.")
    for shown in (image_id, told.image_id):
        with statements() as seen:
            assert admin.get(f"/images/{shown}{query}").status_code == 200
        assert len(seen) <= MOST_STATEMENTS, "\n".join(seen)


def test_verdicts_and_reviews_are_listed_once_each(admin: SignedIn) -> None:
    """They are read in one statement: two of each must not become four."""
    with db.unit_of_work() as session:
        image_id = history(session, admin.user_id)
        candidate_id = session.get_one(Image, image_id).current_candidate_id or 0
        session.add(
            Verdict(
                candidate_id=candidate_id, judge="gpt-5.4-pro", version="1", raw="", decision="accept",
                rule_decision="accept",
            )
        )  # fmt: skip
    page = admin.get(f"/images/{image_id}").text
    assert page.count('<div class="verdict">') == 3
    assert page.count("accepted</span> by") == 1
    assert "judge and rule disagree" not in page


def test_raw_bytes_are_a_download_of_what_they_are(annotator: SignedIn, told: Told) -> None:
    answer = annotator.get(f"/files/candidates/{told.candidate_id}/raw")
    assert answer.content == encode_png(factories.picture(9_999, 80))
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["x-content-type-options"] == "nosniff"
    again = annotator.get(f"/files/candidates/{told.candidate_id}/raw", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert annotator.get("/files/candidates/999/raw").status_code == 404
    with db.unit_of_work() as session:
        session.get_one(Candidate, told.candidate_id).raw_sha256 = storage().put(b"<script>alert(1)</script>")
    odd = annotator.get(f"/files/candidates/{told.candidate_id}/raw")
    assert (odd.headers["content-type"], odd.headers["content-disposition"]) == ("application/octet-stream", "attachment")
