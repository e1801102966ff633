// @ts-check
// Brings one array. A component of its own, so that Streamlit sends an array only when it has changed.

import { COME, inbox } from "../inbox.js";

/** @param {{ data: Uint8Array, parentElement: Node }} call */
export default function carry({ data, parentElement }) {
  inbox.set(parentElement, data);
  dispatchEvent(new CustomEvent(COME, { detail: data }));
  return () => {
    if (inbox.get(parentElement) === data) inbox.delete(parentElement);
  };
}
