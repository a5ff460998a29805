/** Opens files below one folder and nothing else, whatever a request or a link in the folder says. */
import { constants } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';

/** A path that leaves the served folder, or that no file can have. */
export class PathError extends Error {
  override readonly name = 'PathError';
}

export class ServedFolder {
  /** Without symbolic links. */
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  /** @throws the error of the file system where there is no such folder. */
  static async at(folder: string): Promise<ServedFolder> {
    return new ServedFolder(await realpath(folder));
  }

  /**
   * The real path of something below the folder.
   *
   * @param path parts joined by '/', not percent-encoded; '.' is the folder itself
   * @throws PathError where a part is no plain name, or a symbolic link leads out; the error of the file system where
   *   nothing is there
   */
  async resolve(path: string): Promise<string> {
    const parts = path === '.' ? [] : path.split('/');
    for (const part of parts) {
      if (part === '' || part === '.' || part === '..' || /[\\\0]/.test(part) || (sep === '\\' && part.includes(':'))) {
        throw new PathError(`${JSON.stringify(path)} is no path below the served folder`);
      }
    }
    const real = await realpath(join(this.root, ...parts));
    const below = relative(this.root, real);
    if (below === '..' || below.startsWith(`..${sep}`) || isAbsolute(below)) {
      throw new PathError(`${JSON.stringify(path)} leads out of the served folder`);
    }
    return real;
  }

  /** Opens a plain file to read; as `resolve`, and a PathError for anything but a plain file. */
  async open(path: string): Promise<FileHandle> {
    // What was resolved may be replaced by a link before it is opened, and a pipe would block: neither is followed.
    const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
    const file = await open(await this.resolve(path), flags);
    if (!(await file.stat()).isFile()) {
      await file.close();
      throw new PathError(`${JSON.stringify(path)} is no plain file`);
    }
    return file;
  }
}
