/** Small copies of pictures, shown when they come near the window: to make 200 addresses at once keeps the page busy. */

/** @typedef {import("./album.js").Picture} Picture */

/** @type {WeakMap<Element, {image: HTMLImageElement, picture: Picture}>} */
const wanted = new WeakMap();
const near = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      const { image, picture } = wanted.get(target) ?? {};
      if (!isIntersecting || !image || !picture?.thumbnail) continue;
      image.src = picture.thumbnail;
      near.unobserve(target);
    }
  },
  { rootMargin: "50%" },
);

/** Has an image show a picture once the element that it is in comes near; one without `src` has no box to be seen by. */
export function showSoon(/** @type {HTMLImageElement} */ image, /** @type {Picture} */ picture, /** @type {Element} */ within) {
  wanted.set(within, { image, picture });
  near.unobserve(within);
  near.observe(within);
}
