/** The panel of reject reasons: opened by R, reasons by 1 to 5, sent by Enter. Without a script it is a plain form. */
export function makeRejectForm(form, opener, send) {
  const boxes = [...form.querySelectorAll('input[name="reasons"]')];
  const note = form.elements.note;
  const other = boxes.at(-1);

  const panel = {
    get open() {
      return form.classList.contains("open");
    },
    show() {
      if (panel.open) return panel.close();
      form.reset();
      form.classList.add("open");
      opener.setAttribute("aria-expanded", "true");
      boxes[0].focus({ preventScroll: true });
    },
    close() {
      if (!panel.open) return;
      form.classList.remove("open");
      opener.setAttribute("aria-expanded", "false");
      if (form.contains(document.activeElement)) document.activeElement.blur();
    },
    toggle(index) {
      if (!boxes[index]) return;
      boxes[index].checked = !boxes[index].checked;
      form.dispatchEvent(new Event("change"));
      if (boxes[index] === other && other.checked) note.focus();
    },
    submit() {
      form.requestSubmit();
    },
  };

  form.addEventListener("change", () => {
    boxes[0].setCustomValidity("");
    note.setCustomValidity("");
  });
  note.addEventListener("input", () => note.setCustomValidity(""));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const reasons = boxes.filter(({ checked }) => checked).map(({ value }) => value);
    const lacking = !reasons.length
      ? [boxes[0], "Choose at least one reason (1 to 5)."]
      : other.checked && !note.value.trim()
        ? [note, "Say in a few words what is wrong."]
        : null;
    if (!lacking) return send(reasons, note.value.trim(), event.timeStamp);
    lacking[0].setCustomValidity(lacking[1]);
    lacking[0].reportValidity();
    lacking[0].setCustomValidity(""); // or the browser would block the next try before we can look again
  });
  form.querySelector("[data-close]").addEventListener("click", panel.close);
  opener.addEventListener("click", panel.show);
  return panel;
}
