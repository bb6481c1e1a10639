import type { Metrics } from '@aether/http';
import type { Sequencer } from './sequencer.ts';

/** Publishes what the sequencer of this worker does. @returns ends it. */
export function measureSequencer(metrics: Metrics, sequencer: Sequencer): () => void {
  const endings = [
    metrics.observe('sequenced', (tell) => tell(sequencer.state().numbered)),
    metrics.observe('sequencerBatches', (tell) => tell(sequencer.state().batches)),
    metrics.observe('sequencerLeads', (tell) => tell(sequencer.state().role === 'leader' ? 1 : 0)),
    metrics.observe('sequencerHead', (tell) => tell(sequencer.state().head)),
  ];
  return () => {
    for (const end of endings) end();
  };
}
