/** What to ask first: questions that the sample library answers, else about the documents there are. */

const OF_THE_SAMPLE_LIBRARY = [
  ["sudo-troubleshooting.md", "Why does sudo say that my account has expired?"],
  ["debian-policy-manual.pdf", "Why does cron ignore a file named backup.daily in /etc/cron.d?"],
  ["filesystem-hierarchy-standard.html", "Where should a daemon write its PID file?"],
  ["sqlite-how-to-corrupt-a-database.html", "How can a SQLite database become corrupt?"],
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
