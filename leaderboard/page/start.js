// What is packed is put in its place when it comes near the window, or is unfolded.
const near = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    near.unobserve(entry.target);
    put(entry.target, entry.target.dataset.bundle, entry.target.dataset.part);
  }
}, { rootMargin: "600px" });
for (const place of all(".lazy")) near.observe(place);
addEventListener("change", (event) => {
  const select = event.target.closest?.("select.metric");
  if (!select) return;
  const place = select.closest("section").querySelector(".lazy");
  near.unobserve(place);
  put(place, select.dataset.bundle, select.value);
});

// On a narrow screen the plot starts where the good defenses are.
const atTheGoodEnd = (place) => all(".figure.scroll", place).forEach((plot) => { plot.scrollLeft = plot.scrollWidth; });
arrived.push(atTheGoodEnd);
atTheGoodEnd(document);
root.classList.add("scripted");
openCell();
