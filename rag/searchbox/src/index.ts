/** Defines `<rag-search>`, once, however often the script is loaded. */
import { RagSearch } from "./element.js";

if (!customElements.get("rag-search")) customElements.define("rag-search", RagSearch);

export { RagSearch };
