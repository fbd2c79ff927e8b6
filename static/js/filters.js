// Filters in an address: they apply as they are chosen, and only what is set stands in the address.
const form = document.getElementById("filters");

form.addEventListener("change", (event) => {
  if (event.target.matches("select, [type=checkbox]")) form.requestSubmit();
});
form.addEventListener("formdata", (event) => {
  for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
});
document.documentElement.classList.add("scripted"); // hides the button that only pages without scripts need
