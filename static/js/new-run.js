// Forms that start runs: fields that fit the method, whole rows and columns of settings at once, and no second start.

document.documentElement.classList.add("scripted"); // hides what only pages without scripts need

const method = document.querySelector("[data-method]");
const strategy = document.querySelector("[data-strategy]");

/** A prompt is chosen for methods that take one, and for no others. */
function fit() {
  const prompted = method.selectedOptions[0].hasAttribute("data-prompted");
  strategy.disabled = !prompted;
  if (!prompted) strategy.value = "";
  else if (!strategy.value) strategy.value = "fix";
}

if (method) {
  method.addEventListener("change", fit); // before the form hears of it, and so before the estimate is asked for
  const chosen = strategy.value;
  if (!chosen || method.selectedOptions[0].hasAttribute("data-prompted")) fit(); // else the server's message stays true
}

// A row's, a column's or a group's button ticks all of it, or, where all is ticked, none.
for (const button of document.querySelectorAll("[data-all]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const { all } = button.dataset;
    const whole = { row: "tr", group: "fieldset" }[all];
    const rows = whole ? [button.closest(whole)] : button.closest("table").tBodies[0].rows;
    const cell = whole ? "input" : `td:nth-child(${Number(all) + 1}) input`;
    const boxes = [...rows].flatMap((row) => [...row.querySelectorAll(cell)]).filter((box) => !box.disabled);
    if (!boxes.length) return;
    const tick = !boxes.every((box) => box.checked);
    for (const box of boxes) box.checked = tick;
    boxes[0].dispatchEvent(new Event("change", { bubbles: true }));
  });
}

// A double click must not start, and pay for, two runs. A page that comes back from history starts afresh.
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => delete form.dataset.sent);
}
