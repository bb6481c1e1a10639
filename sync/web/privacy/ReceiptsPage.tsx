import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { StewardOnly } from '../merges/StewardOnly.tsx';
import { useMe } from '../shell/person.ts';
import { When } from '../times/When.tsx';
import { PrivacyNavigation } from './PrivacyNavigation.tsx';
import classes from './privacy.module.css';
import { receiptsQuery } from './queries.ts';
import { sayState } from './words.ts';

/** Erasures, the newest first. */
export function ReceiptsPage() {
  const { isSteward } = useMe();
  const { data, error, refetch } = useQuery({ ...receiptsQuery, enabled: isSteward });
  return (
    <StewardOnly does="see receipts of erasures">
      <PageHead title="Privacy" detail="receipts of erasures" />
      <div className={classes.page}>
        <PrivacyNavigation />
        {error && <ErrorNotice title="The receipts could not be read" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting />}
        {data?.receipts.length === 0 && (
          <Nothing title="Nobody was erased yet">A receipt says what was removed, what stays and why.</Nothing>
        )}
        {data && data.receipts.length > 0 && (
          <ul className={classes.list} aria-label="Receipts">
            {data.receipts.map((receipt) => (
              <li key={receipt.id} className={classes.rule}>
                <div className={classes.what}>
                  <Link to="/privacy/receipts/$id" params={{ id: receipt.id }}>
                    {receipt.reason}
                  </Link>
                  <span className={classes.quiet}>customer {receipt.customer}</span>
                </div>
                <div className={classes.kept}>
                  <Tag tone="plain">{sayState(receipt.state)}</Tag>
                  <span className={classes.quiet}>
                    {receipt.erased_by_name ?? receipt.erased_by ?? receipt.asked_by_name ?? receipt.asked_by}{' '}
                    <When at={receipt.erased_at ?? receipt.asked_at} />
                  </span>
                </div>
              </li>
            ))}
          </ul>
        )}
      </div>
    </StewardOnly>
  );
}
