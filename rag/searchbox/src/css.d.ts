/** Style sheets are minified by build.mjs and imported as text. */
declare module "*.css" {
  const text: string;
  export default text;
}
