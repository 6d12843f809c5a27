// A recovered picture over its original: the slider says how much of it is seen.
addEventListener("click", (event) => {
  const press = event.target.closest?.("button.compare");
  if (!press) return;
  const strip = press.closest(".strip");
  const original = strip.querySelector(".original img");
  if (!original) return;
  const caption = press.parentElement.querySelector("figcaption");
  const inside = compareDialog.querySelector(".inside");
  const title = document.createElement("h2");
  title.id = "compare-title";
  title.textContent = `original and ${press.parentElement.dataset.defense}`;
  const stage = document.createElement("div");
  stage.className = "stage";
  const below = original.cloneNode();
  const above = press.querySelector("img").cloneNode();
  above.className = "above";
  stage.append(below, above);
  const slider = document.createElement("input");
  slider.type = "range";
  slider.value = "50";
  slider.setAttribute("aria-label", "How much of the recovered picture is seen, from the left");
  const cut = () => { above.style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`; };
  slider.addEventListener("input", cut);
  cut();
  inside.replaceChildren(title, stage, slider, caption.cloneNode(true));
  compareDialog.showModal();
  slider.focus();
});
