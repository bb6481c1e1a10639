import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { consumersQuery } from '../api/consumers.ts';
import classes from '../parts/parts.module.css';
import { ConsumerSection } from './ConsumerSection.tsx';
import { OrderDialog, type Wish } from './OrderDialog.tsx';
import { RelaySection } from './RelaySection.tsx';

/** The apps that read from Service Bus: how far each is, what waits there for a person, what was ordered, and what came of it. */
export function ConsumersPage() {
  const { data, error, refetch } = useQuery(consumersQuery);
  const [wish, setWish] = useState<Wish>();
  const consumers = data?.consumers;
  return (
    <>
      <PageHead title="Consumers" detail="apps that read from Service Bus" />
      <div className={classes.page}>
        {error && (
          <ErrorNotice
            title={data ? 'What follows is old' : 'The consumers could not be read'}
            error={error}
            onRetry={refetch}
          />
        )}
        {!data && !error && <Waiting />}
        {consumers?.length === 0 && (
          <Nothing title="No app reads from Service Bus">
            An app that has a subscription there appears here while a worker relays events.
          </Nothing>
        )}
        {consumers && consumers.length > 0 && <RelaySection />}
        {consumers?.map((each) => (
          <ConsumerSection
            key={each.name}
            consumer={each}
            onAsk={(asked) => setWish({ consumer: each.name, ...asked })}
          />
        ))}
        {wish && <OrderDialog wish={wish} onClose={() => setWish(undefined)} />}
      </div>
    </>
  );
}
