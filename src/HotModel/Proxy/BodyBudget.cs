namespace HotModel.Proxy;

/// <summary>How much of clients' bodies is in memory at once: each request holds its own until it is answered.</summary>
/// <param name="mostBytes">All together; what a body has beyond its first buffer counts.</param>
internal sealed class BodyBudget(long mostBytes)
{
    /// <summary>Sixteen of the largest that are allowed by default. No machine with models has less to spare.</summary>
    private const long DefaultBytes = 1L << 30;

    private long taken;

    public long MostBytes { get; } = mostBytes;

    /// <summary>In which the longest body has its place, too.</summary>
    public static BodyBudget For(long limitBytes) => new(Math.Max(DefaultBytes, limitBytes));

    public BodyShare Open() => new(this);

    /// <summary>What one request has of it.</summary>
    internal sealed class BodyShare(BodyBudget budget) : IDisposable
    {
        public long Bytes { get; private set; }

        /// <summary>Of everybody.</summary>
        public long MostBytes => budget.MostBytes;

        /// <summary>There was no room for the body.</summary>
        public bool IsRefused { get; private set; }

        public bool TryGrow(long bytes)
        {
            IsRefused = Interlocked.Add(ref budget.taken, bytes) > budget.MostBytes;
            if (IsRefused)
                Interlocked.Add(ref budget.taken, -bytes);
            else
                Bytes += bytes;
            return !IsRefused;
        }

        public void Dispose()
        {
            Interlocked.Add(ref budget.taken, -Bytes);
            Bytes = 0;
        }
    }
}
