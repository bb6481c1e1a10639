import { formatMoment, formatWhen } from '@aether/ui/formats.ts';
import { Tag } from '@aether/ui/Tag.tsx';
import { Excerpt, HitFact, HitLine, TextSearchPage } from '@aether/ui/TextSearch.tsx';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { type FoundText, textsQuery } from '../api/texts.ts';
import { NoAgent } from '../shell/NoAgent.tsx';
import { useMe } from '../shell/person.ts';
import { textKinds } from './kinds.ts';

/** Searches in messages, notes and what agents noted of calls. */
export function TextsPage() {
  const me = useMe();
  return me.agent ? <Search /> : <NoAgent />;
}

function Search() {
  const search = useSearch({ from: '/search' });
  const navigate = useNavigate({ from: '/search' });
  const list = useInfiniteQuery(textsQuery(search));
  return (
    <TextSearchPage
      search={search}
      onChange={(part) => void navigate({ search: { ...search, ...part }, replace: true })}
      kinds={textKinds}
      about="Type words of a message, a note or the notes of a call. Conversations of other teams are not searched."
      list={list}
    >
      {(found) => <Hit found={found} />}
    </TextSearchPage>
  );
}

const kindWords: Record<FoundText['kind'], string> = { message: 'Message', note: 'Note', call: 'Call' };

function Hit({ found }: { found: FoundText }) {
  const { id, kind, session, number, customer, author, author_name, at, excerpt } = found;
  const name = session?.visitor_name ?? customer?.name ?? 'A visitor without a name';
  return (
    <>
      <HitLine>
        {session ? (
          <Link
            to="/sessions/$id"
            params={{ id: session.id }}
            search={number === null ? { entry: id } : { message: number }}
          >
            {name}
          </Link>
        ) : (
          customer && (
            <Link to="/customers/$id" params={{ id: customer.id }}>
              {customer.name}
            </Link>
          )
        )}
        <Tag>{kindWords[kind]}</Tag>
        {session?.identity === 'claimed' && customer && <Tag tone="warn">Unverified</Tag>}
        <HitFact>
          {author === 'visitor' ? 'the visitor' : author === 'bot' ? 'the bot' : (author_name ?? 'an agent')}
        </HitFact>
        <HitFact>
          <time dateTime={at} title={formatMoment(at)}>
            {formatWhen(at)}
          </time>
        </HitFact>
      </HitLine>
      <Excerpt excerpt={excerpt} />
    </>
  );
}
