import { LastChanged } from '@aether/ui/changes/LastChanged.tsx';
import { Dialog } from '@aether/ui/Dialog.tsx';
import { findMissing } from '@aether/ui/faults.ts';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, TextInput } from '@mantine/core';
import { IconAdjustments, IconPlus } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { createPipeline, pipelinesQuery } from '../api/pipelines.ts';
import { AdminOnly } from './AdminOnly.tsx';
import { PipelineEditor } from './PipelineEditor.tsx';
import classes from './settings.module.css';

/** The pipelines and their stages. */
export function PipelinesPage() {
  const { data, error, refetch } = useQuery(pipelinesQuery);
  const [isAdding, setAdding] = useState(false);
  return (
    <AdminOnly>
      <PageHead title="Pipelines">
        <Button leftSection={<IconPlus size={15} />} onClick={() => setAdding(true)}>
          New pipeline
        </Button>
      </PageHead>
      <div className={classes.page}>
        <p className={classes.intro}>
          A deal moves from stage to stage of its pipeline. A stage’s chance weighs the deals in it for the forecast;
          every pipeline has one stage for won and one for lost deals at most.
        </p>
        <LastChanged kind="pipeline" />
        {error && <ErrorNotice title="The pipelines could not be loaded" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting />}
        {data?.pipelines.length === 0 && (
          <Nothing icon={<IconAdjustments size={28} />} title="No pipeline yet">
            Create one, then give it stages.
          </Nothing>
        )}
        {data?.pipelines.map((pipeline) => (
          <PipelineEditor key={pipeline.id} pipeline={pipeline} />
        ))}
      </div>
      {isAdding && <NewPipeline onClose={() => setAdding(false)} />}
    </AdminOnly>
  );
}

function NewPipeline({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const draft = useDraft('new-pipeline', { name: '' });
  const { name } = draft.value;
  return (
    <Dialog
      title="New pipeline"
      verb="Create"
      draft={draft}
      faults={findMissing({ name }, { name: 'Write a name.' })}
      save={() => createPipeline(name)}
      onSaved={() => {
        void client.invalidateQueries({ queryKey: ['pipelines'] });
        onClose();
      }}
      onClose={onClose}
    >
      {(errors) => (
        <TextInput
          label="Name"
          name="name"
          withAsterisk
          data-autofocus
          value={name}
          error={errors.name}
          onChange={(event) => draft.change({ name: event.currentTarget.value })}
        />
      )}
    </Dialog>
  );
}
