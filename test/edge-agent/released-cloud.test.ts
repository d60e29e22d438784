// This version's agent at a cloud of 0.1.0, by its recorded frames.
import { afterEach, describe, expect, it } from 'vitest';
import type { EdgeFrame, FrameOf } from '../../protocol/frames.ts';
import { connection, framesOf, type RecordedFrame } from '../fixtures/wire/released-wire.ts';
import { House } from './house.ts';

let house: House;
afterEach(() => house.stop());

/** The cloud's frames as it would send them to this house: the recorded phone had another UDN. */
function textFor({ frame }: RecordedFrame): string {
  const [list] = framesOf('agent', 'phones') as FrameOf<EdgeFrame, 'phones'>[];
  return JSON.stringify(frame).replaceAll(list?.phones[0]?.udn ?? '', house.phone.udn);
}

const said = <Type extends EdgeFrame['type']>(type: Type) =>
  house.cloud.frames.filter((frame): frame is FrameOf<EdgeFrame, Type> => frame.type === type);

describe('a cloud of 0.1.0', () => {
  it('is told by the count in phones that it may ask for dead letters', async () => {
    house = new House({ welcome: framesOf('cloud', 'welcome')[0] });
    await house.start();
    await house.inStep();
    expect(said('hello')[0]).toMatchObject({ protocol: [1], features: expect.arrayContaining(['ping']) });
    expect(said('phones')[0]).toMatchObject({ deadLetters: 0 });
  });

  it('gets the answers that it got from an agent of 0.1.0', async () => {
    house = new House({ welcome: framesOf('cloud', 'welcome')[0] });
    house.phone.receive('Dinner at 8?');
    await house.start();
    await house.inStep();
    await house.cloud.until(() => house.cloud.events.length === 1);
    const asked = connection(1).filter(({ from, frame }) => from === 'cloud' && 'id' in frame);
    expect(asked.length).toBeGreaterThan(5);
    for (const each of asked) {
      house.cloud.sendRaw(textFor(each));
      const answer = await house.cloud.until(() => said('result').find(({ id }) => id === each.frame.id));
      const recorded = framesOf('agent', 'result').find(({ id }) => id === each.frame.id);
      expect(Object.keys(answer)).toEqual(Object.keys(recorded ?? {}));
    }
    for (const each of connection(1).filter(({ frame }) => frame.type === 'approvals')) {
      house.cloud.sendRaw(textFor(each));
    }
    const call = await house.cloud.call(house.phone.udn, 'GetSessions', {});
    // The recorded approvals count for the recorded phone's evidence: of this one they keep everything at home.
    expect(call).toMatchObject({ type: 'failure', code: 'phone-offline' });
    expect(said('error')).toEqual([]);
  });
});
