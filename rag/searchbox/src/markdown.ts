/** Markdown of an answer to nodes: read by marked's lexer, written with every sign escaped, cleaned by DOMPurify. */
import DOMPurify from "dompurify";
import { Lexer, type MarkedToken, type Token, Tokenizer, type Tokens } from "marked";

const MARKER = /^\[\d{1,5}\]/;
/** Emphasis longer than this is none: else each sign that could begin one reads all that follows. */
const REACH = 1000;
const SIMPLE: Record<string, string> = { strong: "strong", em: "em", del: "del", blockquote: "blockquote", paragraph: "p", heading: "h3" };

/** Markup and link definitions stay the text that they are, and a marker never becomes a link's name. */
class PlainTokenizer extends Tokenizer {
  override html(): undefined {}
  override tag(): undefined {}
  override def(): undefined {}
  override emStrong(source: string, masked: string, before?: string): Tokens.Em | Tokens.Strong | undefined {
    return super.emStrong(source.slice(0, REACH), masked.slice(-source.length).slice(0, REACH), before);
  }
  override del(source: string, masked: string, before?: string): Tokens.Del | undefined {
    return super.del(source.slice(0, REACH), masked.slice(-source.length).slice(0, REACH), before);
  }
  override link(source: string): Tokens.Link | undefined {
    const raw = MARKER.exec(source)?.[0];
    return raw ? ({ type: "text", raw, text: raw } as unknown as Tokens.Link) : (super.link(source) as Tokens.Link);
  }
}

const OPTIONS = { gfm: true, tokenizer: new PlainTokenizer() };
const ALLOWED = {
  ALLOWED_TAGS: "p br strong em del code pre ul ol li blockquote h3 hr table thead tbody tr th td a".split(" "),
  ALLOWED_ATTR: ["href", "start", "align"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  RETURN_DOM_FRAGMENT: true as const,
};

export function blocksOf(text: string): Token[] {
  try {
    return new Lexer(OPTIONS).lex(text);
  } catch {
    return [{ type: "text", raw: text, text }]; // nested deeper than the stack
  }
}

/** HTML in which every sign of the text is escaped; not cleaned yet. */
export function markupOf(text: string): string {
  return written(blocksOf(text));
}

/** The nodes of a text; `names` are of what scrolls, for a screen reader. */
export function nodesOf(text: string, names: { table: string; code: string }): DocumentFragment {
  const fragment = DOMPurify.sanitize(markupOf(text), ALLOWED);
  for (const link of fragment.querySelectorAll("a")) {
    if (!link.hasAttribute("href")) link.replaceWith(...link.childNodes);
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
  }
  for (const wide of fragment.querySelectorAll("table, pre")) {
    const frame = document.createElement("div");
    frame.className = "scroll";
    frame.tabIndex = 0;
    frame.role = "region";
    frame.ariaLabel = wide.localName === "pre" ? names.code : names.table;
    wide.replaceWith(frame);
    frame.append(wide);
  }
  return fragment;
}

function written(tokens: Token[]): string {
  return (tokens as MarkedToken[]).map(element).join("");
}

/** Nothing is loaded from anywhere (a picture is its description), and headings are one level below the question. */
function element(token: MarkedToken): string {
  switch (token.type) {
    case "space":
    case "checkbox":
      return token.type === "space" ? "" : token.checked ? "☑ " : "☐ ";
    case "br":
    case "hr":
      return `<${token.type}>`;
    case "code":
      return `<pre><code>${escaped(token.text)}</code></pre>`;
    case "codespan":
      return `<code>${escaped(token.text)}</code>`;
    case "link":
      return `<a href="${escaped(token.href)}">${written(token.tokens)}</a>`;
    case "list": {
      const name = token.ordered ? "ol" : "ul";
      const items = token.items.map((item) => `<li>${written(item.tokens)}</li>`).join("");
      return `<${name}${token.ordered ? ` start="${Number(token.start)}"` : ""}>${items}</${name}>`;
    }
    case "table": {
      const row = (cells: Tokens.TableCell[], name: string): string => {
        const inside = cells.map(({ align, tokens }) => `<${name}${align ? ` align="${align}"` : ""}>${written(tokens)}</${name}>`);
        return `<tr>${inside.join("")}</tr>`;
      };
      const body = token.rows.map((cells) => row(cells, "td")).join("");
      return `<table><thead>${row(token.header, "th")}</thead><tbody>${body}</tbody></table>`;
    }
    default: {
      const name = SIMPLE[token.type];
      const inside = "tokens" in token && token.tokens ? written(token.tokens) : escaped("text" in token ? token.text : token.raw);
      return name ? `<${name}>${inside}</${name}>` : inside;
    }
  }
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
