/** What to ask first: questions that the sample library answers, else about the documents there are. */

const OF_THE_SAMPLE_LIBRARY = [
  ["sqlite-how-to-corrupt-a-database.html", "Can I back up a database by copying the file while it is in use?"],
  ["debian-policy-manual.pdf", "Why does cron ignore a job file with a period in its name?"],
  ["sudo-troubleshooting.md", "Why does sudo say that my account has expired?"],
  ["restic-removing-snapshots.html", "How do I remove old restic snapshots?"],
];
const MOST = 3;

/** Up to three questions. A summary needs a model, so without one only the sample library has examples. */
export function examplesFor(documents, hasModel) {
  const names = new Set(documents.map(({ uri }) => uri.split("/").pop()));
  const known = OF_THE_SAMPLE_LIBRARY.filter(([name]) => names.has(name)).map(([, question]) => question);
  const summaries = hasModel ? documents.map(({ title }) => `Summarise “${title}”`) : [];
  return (known.length ? known : summaries).slice(0, MOST);
}
