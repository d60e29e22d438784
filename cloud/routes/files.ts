// File transfers within a session: started, cancelled and listed at the phone.
import { z } from '@hono/zod-openapi';
import { limits } from '../../protocol/limits.ts';
import type { Session } from '../../protocol/model.ts';
import { type FileInfo, fileInfoSchema } from '../../protocol/phone-model.ts';
import { newUlid } from '../../shared/ulid.ts';
import { ask } from './phone-choice.ts';
import { type AppDeps, body, type CloudApp, guarded, json, newApp } from './route-kit.ts';
import { filesSchema, idParams } from './schemas.ts';
import { needSession } from './stored.ts';

const offered = z
  .object({
    fileId: fileInfoSchema.shape.fileId.min(1).optional(),
    name: fileInfoSchema.shape.name.min(1),
    contentType: fileInfoSchema.shape.contentType,
    sizeBytes: fileInfoSchema.shape.sizeBytes,
    url: fileInfoSchema.shape.url.describe('Where the other side fetches the file, or puts it'),
    direction: fileInfoSchema.shape.direction.default('send'),
  })
  .strict();

const start = guarded('files:write', {
  method: 'post',
  path: '/homes/{home}/sessions/{id}/files',
  summary: 'StartFileTransfer',
  request: {
    params: idParams,
    body: body(z.object({ files: z.array(offered).min(1).max(limits.attachments) }).strict()),
  },
  responses: { 201: json(filesSchema, 'The files of the session') },
});

const cancel = guarded('files:write', {
  method: 'post',
  path: '/homes/{home}/sessions/{id}/files/cancel',
  summary: 'CancelFileTransfer',
  request: { params: idParams },
  responses: { 200: json(filesSchema, 'The files of the session') },
});

const list = guarded('files:read', {
  method: 'get',
  path: '/homes/{home}/sessions/{id}/files',
  summary: 'GetFileTransferSession',
  request: { params: idParams },
  responses: { 200: json(filesSchema, 'The files of the session') },
});

export function fileRoutes({ store, hubs, clock }: AppDeps): CloudApp {
  return newApp()
    .openapi(start, async (c) => {
      const { home, id } = c.req.valid('param');
      const session = await needSession(store, home, id);
      const files: FileInfo[] = c.req.valid('json').files.map(({ fileId, ...file }) => ({
        ...file,
        fileId: fileId ?? `f_${newUlid(clock.now())}`,
        sessionId: session.sessionId,
        status: 'pending',
        transferredBytes: 0,
      }));
      await ask(hubs.home(home), session.phone, 'StartFileTransfer', { FileInfoList: files }, c.var.callKey);
      return c.json({ items: await filesOf(home, session), next: null }, 201);
    })
    .openapi(cancel, async (c) => {
      const { home, id } = c.req.valid('param');
      const session = await needSession(store, home, id);
      await ask(hubs.home(home), session.phone, 'CancelFileTransfer', { SessionID: session.sessionId }, c.var.callKey);
      return c.json({ items: await filesOf(home, session), next: null }, 200);
    })
    .openapi(list, async (c) => {
      const { home, id } = c.req.valid('param');
      return c.json({ items: await filesOf(home, await needSession(store, home, id)), next: null }, 200);
    });

  async function filesOf(home: string, { phone, sessionId }: Session): Promise<FileInfo[]> {
    return (await ask(hubs.home(home), phone, 'GetFileTransferSession', { SessionID: sessionId })).FileInfoList;
  }
}
