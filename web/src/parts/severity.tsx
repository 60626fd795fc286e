/** A severity by shape, number and colour: never by colour alone. */
export function Severity({ n }: { n: number }) {
  const kind = n <= 1 ? 1 : n === 2 ? 2 : 3;
  const d = kind === 1 ? "M5 .8L9.600 9H.4z" : kind === 2 ? "M5 .4L9.600 5L5 9.600L.4 5z" : "M5 1a4 4 0 1 0 0 8a4 4 0 0 0 0-8z";
  return <span class={"sev s" + kind} title={"severity " + n}><svg viewBox="0 0 10 10" width="10" height="10" aria-hidden="true"><path d={d} /></svg>{n}</span>;
}
