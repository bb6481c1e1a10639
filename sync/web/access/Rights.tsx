import { Waiting } from '@aether/ui/Waiting.tsx';
import { Modal } from '@mantine/core';
import { useQueries } from '@tanstack/react-query';
import classes from './access.module.css';
import { type AccessRow, type Facts, factsQuery, type Verb, verbs } from './queries.ts';

/** The grants and policies behind one cell, and why what is absent is absent. */
export function Rights({ row, login, onClose }: { row: AccessRow; login: string; onClose: () => void }) {
  const table = `${row.schema}.${row.table}`;
  const asked = verbs.filter((verb) => verb !== 'delete' || row.column === null);
  const answers = useQueries({ queries: asked.map((verb) => factsQuery(login, table, row.column, verb)) });
  return (
    <Modal opened onClose={onClose} size="lg" title={`${login}: ${row.column ? `${row.column} of ` : ''}${table}`}>
      {asked.map((verb, index) => {
        const facts = answers[index]?.data;
        return facts ? <Right key={verb} verb={verb} facts={facts} /> : <Waiting key={verb} lines={1} />;
      })}
    </Modal>
  );
}

function Right({ verb, facts }: { verb: Verb; facts: Facts }) {
  return (
    <div className={classes.right}>
      <b>
        {verb}: {facts.isGranted ? 'granted' : 'not granted'}
      </b>
      {facts.isGranted && (
        <div>
          to{' '}
          {facts.grantedTo
            .map(({ role, on }) => `${role}, on ${on === 'some columns' ? on : `the ${on}`}`)
            .join(' and ')}
        </div>
      )}
      {!facts.mayUseSchema && <div>It may not use the schema.</div>}
      {facts.absence && <div>{facts.absence}</div>}
      {facts.isGranted &&
        facts.hasRowSecurity &&
        facts.policies.map(({ name, using, check }) => (
          <div key={name} className={classes.quiet}>
            policy {name}:{' '}
            <code>{[using && `using ${using}`, check && `check ${check}`].filter(Boolean).join(', ')}</code>
          </div>
        ))}
    </div>
  );
}
