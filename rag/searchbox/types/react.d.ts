/** `<rag-search>` in JSX, for React 19: `import type {} from "@citebox/searchbox/react"` in one file of the project. */
import type { DetailedHTMLProps, HTMLAttributes } from "react";
import type { RagSearchAttributes, RagSearchElement, RagSearchEventMap } from "./index.js";

type Handlers = {
  [K in keyof RagSearchEventMap as `on${K}`]?: (event: RagSearchEventMap[K]) => void;
};

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "rag-search": Omit<DetailedHTMLProps<HTMLAttributes<RagSearchElement>, RagSearchElement>, "placeholder"> &
        RagSearchAttributes &
        Handlers;
    }
  }
}
