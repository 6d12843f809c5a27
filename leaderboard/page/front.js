// The joint view: worst case or mean, against which attackers, before which server.
const fronts = JSON.parse(document.getElementById("fronts").textContent);
addEventListener("change", (event) => {
  if (!event.target.closest?.(".choices")) return;
  const wanted = Object.fromEntries(all(".choices input:checked").map((one) => [one.name, one.value]));
  const index = fronts.findIndex((front) => Object.entries(wanted).every(([name, value]) => front[name] === value));
  const place = document.getElementById("front");
  if (index >= 0) put(place, "joint", `front-${index}`);
  else place.innerHTML = '<p class="empty">No defense was measured under both of these.</p>';
});
