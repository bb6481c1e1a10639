import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { Button, FileButton, Progress, Text, Textarea } from '@mantine/core';
import { IconFileText } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { NoList, readList } from '../../privacy/lists.ts';
import { useMe } from '../shell/person.ts';
import { EraseListDialog } from './EraseListDialog.tsx';
import { type DryRun, previewList } from './jobs.ts';
import classes from './privacy.module.css';
import { sayAct } from './words.ts';

const bytesMax = 8 * 1_048_576;
const refusedShown = 50;

/** Takes a list of people, says what erasing them would do, and lets an administrator do it. The list is kept nowhere. */
export function ListForm() {
  const { id: me, isAdmin } = useMe();
  const [typed, setTyped] = useState('');
  const [file, setFile] = useState<{ name: string; text: string }>();
  const [fault, setFault] = useState<string>();
  const [lookedAt, setLookedAt] = useState(0);
  const [isErasing, setErasing] = useState(false);
  const stop = useRef<AbortController>(undefined);
  useEffect(() => () => stop.current?.abort(), []);
  const text = file?.text ?? typed;
  const { list, refusal } = read(text);

  const { data, error, isPending, mutate, reset } = useMutation({
    async mutationFn() {
      stop.current = new AbortController();
      setLookedAt(0);
      return previewList(list ?? [], { onProgress: setLookedAt, signal: stop.current.signal });
    },
  });
  const change = (next: { typed?: string; file?: { name: string; text: string } | undefined }) => {
    stop.current?.abort();
    reset();
    setFault(undefined);
    setFile(next.file);
    if (next.typed !== undefined) setTyped(next.typed);
  };
  const take = async (chosen: File | null) => {
    if (!chosen) return;
    if (chosen.size > bytesMax) return setFault(`${chosen.name} is larger than 8 MB: divide the list.`);
    const bytes = await chosen.arrayBuffer();
    try {
      change({ file: { name: chosen.name, text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) } });
    } catch {
      setFault(`${chosen.name} is no text in UTF-8. Save it as text, with a person a line.`);
    }
  };
  // Whom somebody else has asked for is erased for good.
  const confirmed = data?.needsTwo ? data.asked.filter((by) => by !== me).length : 0;
  const isAsking = data?.needsTwo === true && confirmed === 0;
  const isStopped = stop.current?.signal.aborted === true;
  return (
    <section aria-label="A new list">
      {file ? (
        <div className={classes.head}>
          <p className={classes.name}>{file.name}</p>
          <Button variant="default" onClick={() => change({ file: undefined })}>
            Another list
          </Button>
        </div>
      ) : (
        <Textarea
          className={classes.people}
          label="People, one a line"
          description="An address, a telephone number or an id. Empty lines, and those that begin with #, are nobody"
          minRows={5}
          maxRows={14}
          autosize
          spellCheck={false}
          autoComplete="off"
          value={typed}
          onChange={({ currentTarget }) => change({ typed: currentTarget.value })}
        />
      )}
      <div className={classes.acts}>
        <Button loading={isPending} disabled={!list} onClick={() => mutate()}>
          Dry run
        </Button>
        {!file && (
          <FileButton
            accept=".txt,.csv,text/plain"
            onChange={(chosen) => void take(chosen)}
            inputProps={{ 'aria-label': 'A file' }}
          >
            {(props) => (
              <Button {...props} variant="default" leftSection={<IconFileText size={16} />}>
                Choose a file
              </Button>
            )}
          </FileButton>
        )}
        <span className={classes.quiet} role="status">
          {fault ?? (list ? sayPeople(list.length) : text.trim() === '' ? '' : refusal)}
        </span>
      </div>
      {isPending && list && (
        <div className={classes.progress}>
          <div className={classes.head}>
            <Text size="sm" role="status">
              {lookedAt.toLocaleString('en')} of {list.length.toLocaleString('en')} looked at
            </Text>
            <Button variant="default" size="xs" onClick={() => stop.current?.abort()}>
              Stop
            </Button>
          </div>
          <Progress value={(lookedAt / list.length) * 100} aria-label={`Looked at: ${lookedAt}`} />
        </div>
      )}
      {error && !isStopped && (
        <ErrorNotice title="The dry run was not possible" error={error} onRetry={() => mutate()} />
      )}
      {data && list && (
        <>
          <Outcome seen={data} confirmed={confirmed} />
          {isAdmin && data.people > 0 && (
            <div className={classes.acts}>
              <Button color="red" onClick={() => setErasing(true)}>
                {isAsking ? `Ask for the erasure of ${sayPeople(data.people)}…` : `Erase ${sayPeople(data.people)}…`}
              </Button>
            </div>
          )}
          {isErasing && (
            <EraseListDialog list={list} people={data.people} isAsking={isAsking} onClose={() => setErasing(false)} />
          )}
        </>
      )}
    </section>
  );
}

export const sayPeople = (count: number) => (count === 1 ? 'one person' : `${count.toLocaleString('en')} people`);

/** The list, or why it is none. */
function read(text: string): { list?: ReturnType<typeof readList>; refusal?: string } {
  try {
    return { list: readList(text) };
  } catch (error) {
    if (error instanceof NoList) return { refusal: error.message };
    throw error;
  }
}

function Outcome({ seen, confirmed }: { seen: DryRun; confirmed: number }) {
  const reasons = [...new Set(seen.refused.map(({ why }) => why))];
  return (
    <section aria-label="Dry run">
      <h2 className={classes.title}>What erasing them would do</h2>
      {seen.needsTwo && (
        <p className={classes.note}>
          Two people are needed: the first asks for it, another administrator confirms it.
          {confirmed > 0 && ` Another administrator has asked for ${sayPeople(confirmed)} of them.`}
        </p>
      )}
      <dl className={classes.facts}>
        <Fact label="Would be erased">
          {sayPeople(seen.people)}
          {seen.merged > 0 && `, with ${seen.merged.toLocaleString('en')} records that were merged into theirs`}
        </Fact>
        {seen.before > 0 && (
          <Fact label="Named again">{seen.before.toLocaleString('en')} lines, or of people who were erased before</Fact>
        )}
        {reasons.map((why) => (
          <Fact key={why} label="Refused">
            {seen.refused.filter((each) => each.why === why).length.toLocaleString('en')}: {why}
          </Fact>
        ))}
        <Fact label="Events scrubbed">{seen.events.toLocaleString('en')}</Fact>
      </dl>
      {seen.tables.length > 0 && (
        <table className={classes.held}>
          <thead>
            <tr>
              <th scope="col">Where</th>
              <th scope="col">What happens</th>
              <th scope="col" className={classes.number}>
                Rows
              </th>
            </tr>
          </thead>
          <tbody>
            {seen.tables.map(({ table, act, rows }) => (
              <tr key={`${table} ${act}`}>
                <td className={classes.where}>{table}</td>
                <td>{sayAct(act)}</td>
                <td className={classes.number}>{rows.toLocaleString('en')}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {seen.refused.length > 0 && (
        <>
          <h3 className={classes.title}>Lines that would be refused</h3>
          <ul className={classes.list} aria-label="Refused lines">
            {seen.refused.slice(0, refusedShown).map(({ line, why }) => (
              <li key={line}>
                line {line} <span className={classes.quiet}>{why}</span>
              </li>
            ))}
            {seen.refused.length > refusedShown && (
              <li className={classes.quiet}>and {(seen.refused.length - refusedShown).toLocaleString('en')} more</li>
            )}
          </ul>
        </>
      )}
    </section>
  );
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </>
  );
}
