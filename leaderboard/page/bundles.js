// Parts of the page lie packed in script elements: unpacked once, when first needed.
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const unpacked = new Map();
const unpack = async (key) => {
  const text = document.getElementById(`bundle-${key}`).textContent;
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return JSON.parse(await new Response(stream).text());
};
const part = async (key, name) => {
  if (!document.getElementById(`bundle-${key}`)) return undefined;
  if (!unpacked.has(key)) unpacked.set(key, unpack(key));
  return (await unpacked.get(key))[name];
};
const arrived = [];
// Whether there is such a part, now in its place. The markup was escaped when the page was made.
const put = async (place, key, name) => {
  place.dataset.wanted = name;
  const markup = await part(key, name);
  if (place.dataset.wanted !== name || markup === undefined) return false;
  place.innerHTML = markup;
  for (const done of arrived) done(place);
  return true;
};
