/** Typed events. */

/**
 * Calls listeners when something happens: `on` adds one, `emit` calls those of an event.
 *
 * @template {Record<string, any>} Events The type of each event's detail, by its name.
 */
export class Emitter extends EventTarget {
  /**
   * @template {keyof Events & string} Name
   * @param {Name} name
   * @param {(detail: Events[Name]) => unknown} listener
   */
  on(name, listener) {
    this.addEventListener(name, (event) => listener(/** @type {CustomEvent} */ (event).detail));
  }

  /**
   * @template {keyof Events & string} Name
   * @param {Name} name
   * @param {Events[Name] extends void ? [] : [detail: Events[Name]]} detail
   */
  emit(name, ...[detail]) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
