using System.Text;

namespace HotModel.Logging;

/// <summary>Appends lines to a file; a full one becomes NAME.1, that one NAME.2, and so on. One writer.</summary>
/// <remarks>
/// A disk that is full or read-only costs lines, nothing else: the next line tries again, and says before itself how many are
/// missing. Nothing is kept in memory: what was taken is in the file.
/// </remarks>
/// <param name="path">Of the file; the folder must be there.</param>
/// <param name="maxBytes">Of each file; more only where what is appended at once is more.</param>
/// <param name="files">How many there may be, with the one that is written to.</param>
/// <param name="gap">The line that says how many are missing.</param>
internal sealed class RotatedFile(string path, long maxBytes, int files, Func<long, string> gap) : IDisposable
{
    private FileStream? stream;
    private long length;
    private long missing;

    /// <param name="lines">Whole ones.</param>
    public bool TryAppend(ReadOnlySpan<byte> lines)
    {
        try
        {
            if (stream is null)
                Open();
            if (missing > 0)
            {
                Write(Encoding.UTF8.GetBytes(gap(missing) + "\n"));
                missing = 0;
            }
            if (length > 0 && length + lines.Length > maxBytes)
            {
                Rotate();
                Open();
            }
            Write(lines);
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            missing += lines.Count((byte)'\n');
            return false;
        }
    }

    public void Dispose()
    {
        stream?.Dispose();
        stream = null;
    }

    // The log may hold paths and parts of requests: it is nobody else's business.
    private void Open()
    {
        var options = new FileStreamOptions
        {
            Mode = FileMode.Append,
            Access = FileAccess.Write,
            Share = FileShare.ReadWrite | FileShare.Delete,
            BufferSize = 0,
        };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        stream = new FileStream(path, options);
        length = stream.Length;
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        try
        {
            stream!.Write(bytes);
            length += bytes.Length;
        }
        catch (IOException)
        {
            // No half line: what comes later begins a line.
            stream!.SetLength(length);
            throw;
        }
    }

    private void Rotate()
    {
        Dispose();
        for (var i = files - 1; i > 0; i--)
        {
            var from = i == 1 ? path : $"{path}.{i - 1}";
            if (File.Exists(from))
                File.Move(from, $"{path}.{i}", overwrite: true);
        }
    }
}
