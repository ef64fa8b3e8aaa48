using System.Text;
using HotModel.Logging;

namespace HotModel.Tests.Logging;

/// <summary>Blocks or refuses, as it is told.</summary>
internal sealed class StuckOutput : ILogOutput
{
    private readonly StringBuilder written = new();
    private readonly ManualResetEventSlim open = new(true);

    public volatile bool Refuses;
    public SemaphoreSlim Entered { get; } = new(0);
    public SemaphoreSlim Done { get; } = new(0);

    public string[] Lines
    {
        get
        {
            lock (written)
                return written.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        }
    }

    public void Block() => open.Reset();

    public void Unblock() => open.Set();

    public bool TryWrite(ReadOnlySpan<byte> lines)
    {
        Entered.Release();
        open.Wait();
        var taken = !Refuses;
        if (taken)
        {
            lock (written)
                written.Append(Encoding.UTF8.GetString(lines));
        }
        Done.Release();
        return taken;
    }

    public void Dispose()
    {
    }
}
