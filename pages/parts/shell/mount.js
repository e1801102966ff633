// @ts-check
// How a component meets Streamlit, which calls it anew whenever its data change.

/** @typedef {(value: unknown) => void} Report tells the server what was picked */

/**
 * @template Data
 * @typedef {object} Mounted what a component keeps for an element, from one call to the next
 * @property {Element} root
 * @property {(data: Data, report: Report) => void} adopt
 * @property {() => void} dispose
 */

/**
 * @template Data
 * @typedef {object} Call
 * @property {Data} data
 * @property {HTMLElement | ShadowRoot} parentElement
 * @property {(name: string, value: unknown) => void} setTriggerValue
 */

/**
 * What Streamlit calls: it makes one `Mounted` for each element on the page and gives it all later data.
 *
 * Streamlit calls what this returns when the element has left the page, but also when new data came before the script
 * had been read; then the element stays.
 * @template Data
 * @param {string} selector of the root, in the component's markup
 * @param {(root: HTMLElement) => Mounted<Data>} create
 */
export function mount(selector, create) {
  /** @type {Map<Node, Mounted<Data>>} */
  const kept = new Map();
  return (/** @type {Call<Data>} */ { data, parentElement, setTriggerValue }) => {
    const root = parentElement.querySelector(selector);
    if (!(root instanceof HTMLElement)) throw new Error(`the component has no ${selector}`);
    const before = kept.get(parentElement);
    const mounted = before?.root === root ? before : create(root);
    if (mounted !== before) {
      before?.dispose();
      kept.set(parentElement, mounted);
    }
    mounted.adopt(data, (value) => setTriggerValue("picked", value));
    return () => {
      if (root.isConnected) return;
      mounted.dispose();
      if (kept.get(parentElement) === mounted) kept.delete(parentElement);
    };
  };
}
