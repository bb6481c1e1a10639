import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { Refusal } from '@aether/ui/refusal.ts';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { Fragment } from 'react';
import { runbookQuery } from '../api/runbooks.ts';
import { type Block, type Inline, parseMarkdown } from './markdown.ts';
import classes from './runbook.module.css';

const route = getRouteApi('/runbooks/$kind');

/** What a check means, its likely causes, and what to do: the page of docs/runbooks. */
export function RunbookPage() {
  const { kind } = route.useParams();
  const { data, error, refetch } = useQuery(runbookQuery(kind));
  if (error instanceof Refusal && error.status === 404)
    return (
      <Nothing title={`There is no runbook for ${kind}`} action={<Link to="/health">To the health of the house</Link>}>
        The docs have a page for each kind of check.
      </Nothing>
    );
  const [first, ...rest] = parseMarkdown(data?.text ?? '');
  const hasTitle = first?.kind === 'heading' && first.level === 1;
  const blocks = hasTitle || !first ? rest : [first, ...rest];
  return (
    <>
      <PageHead title={hasTitle ? <Words content={first.content} /> : kind} detail="Runbook" />
      <div className={classes.page}>
        {!data && !error && <Waiting />}
        {error && <ErrorNotice title="The runbook could not be loaded" error={error} onRetry={refetch} />}
        {blocks.map((block, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the text does not change
          <Shown key={index} block={block} />
        ))}
      </div>
    </>
  );
}

function Shown({ block }: { block: Block }) {
  switch (block.kind) {
    case 'heading': {
      const Heading = block.level <= 2 ? 'h2' : 'h3';
      return (
        <Heading>
          <Words content={block.content} />
        </Heading>
      );
    }
    case 'paragraph':
      return (
        <p>
          <Words content={block.content} />
        </p>
      );
    case 'list': {
      const List = block.isOrdered ? 'ol' : 'ul';
      return (
        <List>
          {block.items.map((content) => (
            <li key={textOf(content)}>
              <Words content={content} />
            </li>
          ))}
        </List>
      );
    }
    case 'code':
      return (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it is scrolled with the keyboard
        <pre tabIndex={0} data-sideways>
          {block.text}
        </pre>
      );
    case 'table':
      return (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: as above
        <section className={classes.table} tabIndex={0} data-sideways aria-label="Table">
          <table>
            <thead>
              <tr>
                {block.head.map((content) => (
                  <th key={textOf(content)} scope="col">
                    <Words content={content} />
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {block.rows.map((row) => (
                <tr key={textOf(row.flat())}>
                  {row.map((content) => (
                    <td key={textOf(content)}>
                      <Words content={content} />
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      );
  }
}

const textOf = (content: Inline[]) => content.map(({ text }) => text).join('');

/** A link to another runbook leads there; one to another page of the docs is shown as its words. */
function Words({ content }: { content: Inline[] }) {
  return content.map((part, index) => {
    const key = `${index} ${part.text}`;
    if ('href' in part) {
      const [, kind] = /^(?:\.\/)?([a-z0-9-]+)\.md(?:#.*)?$/.exec(part.href) ?? [];
      if (kind)
        return (
          <Link key={key} to="/runbooks/$kind" params={{ kind }}>
            {part.text}
          </Link>
        );
      return /^https:\/\//.test(part.href) ? (
        <a key={key} href={part.href} rel="noreferrer">
          {part.text}
        </a>
      ) : (
        <Fragment key={key}>{part.text}</Fragment>
      );
    }
    if (part.is === 'code') return <code key={key}>{part.text}</code>;
    return part.is === 'strong' ? <strong key={key}>{part.text}</strong> : <Fragment key={key}>{part.text}</Fragment>;
  });
}
