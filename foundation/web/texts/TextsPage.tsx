import { formatMoment, formatWhen } from '@aether/ui/formats.ts';
import { Tag } from '@aether/ui/Tag.tsx';
import { Excerpt, HitFact, HitLine, TextSearchPage } from '@aether/ui/TextSearch.tsx';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { type FoundText, textsQuery } from '../api/texts.ts';
import { describeType } from '../customer/activitytypes.tsx';
import { nameApp } from '../record/Provenance.tsx';
import { textKinds } from './kinds.ts';

/** Searches in what the timelines say, and in the names of deals. */
export function TextsPage() {
  const search = useSearch({ from: '/search' });
  const navigate = useNavigate({ from: '/search' });
  const list = useInfiniteQuery(textsQuery(search));
  return (
    <TextSearchPage
      search={search}
      onChange={(part) => void navigate({ search: { ...search, ...part }, replace: true })}
      kinds={textKinds}
      about="Type words of a note, call, e-mail, meeting, task or deal. What was written in a conversation is in Support; its summary is here."
      list={list}
    >
      {(found) => <Hit found={found} />}
    </TextSearchPage>
  );
}

function Hit({ found }: { found: FoundText }) {
  const { id, type, customer, company, deal, author, app, at, excerpt } = found;
  return (
    <>
      <HitLine>
        {type === null ? (
          <Link to="/deals/$id" params={{ id }}>
            {deal?.name}
          </Link>
        ) : company ? (
          <Link to="/companies/$id" params={{ id: company.id }} search={{ entry: id, at }}>
            {company.name}
          </Link>
        ) : (
          customer && (
            <Link to="/customers/$id" params={{ id: customer.id }} search={{ entry: id, at }}>
              {customer.name}
            </Link>
          )
        )}
        <Tag>{type === null ? 'Deal' : describeType(type).label}</Tag>
        <HitFact>
          {type === null ? customer?.name : deal && `${deal.name}, `}
          {type !== null && (author?.name ?? (app && nameApp(app)))}
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
