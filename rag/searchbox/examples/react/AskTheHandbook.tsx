// <rag-search> in React 19: a component of its own, loaded in the browser, driven by a ref.
import type { RagSearchElement, RagSearchEventMap } from "@citebox/searchbox";
import type {} from "@citebox/searchbox/react";
import { useEffect, useRef } from "react";

interface Props {
  /** Address of the service. */
  endpoint: string;
  /** Called with each question that the documents could not answer. */
  onGap?: (question: string) => void;
}

export function AskTheHandbook({ endpoint, onGap }: Props) {
  const box = useRef<RagSearchElement>(null);

  useEffect(() => {
    // It is a custom element of the browser: on a server there is nothing to define it in. What is no attribute is set
    // once it is defined.
    void import("@citebox/searchbox").then(() => {
      if (box.current) box.current.strings = { trigger: "Ask the handbook" };
    });
  }, []);

  const answered = ({ detail }: RagSearchEventMap["rag-answer"]) => {
    if (!detail.answer.answered) onGap?.(detail.question);
  };

  return (
    <>
      <rag-search
        ref={box}
        endpoint={endpoint}
        token-endpoint="/api/citebox-token"
        collection="handbook"
        examples="How many days of leave do I have?|Who signs off travel?"
        onrag-answer={answered}
      />
      <button type="button" onClick={() => void box.current?.ask?.("What has changed this month?")}>
        What has changed?
      </button>
    </>
  );
}
