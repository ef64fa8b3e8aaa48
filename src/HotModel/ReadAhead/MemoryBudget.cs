namespace HotModel.ReadAhead;

/// <summary>How much of a model may lie in memory while it is read ahead.</summary>
/// <remarks>
/// The pages of mapped files count as available. But an answer may still run on them: where a model is computed on the CPU,
/// they are the model. So what is mapped is not taken, until the old model has let go of it; what is mapped from then on is
/// the target itself, on its way in. Hence the least that was seen.
/// </remarks>
/// <param name="read">Tells the memory now; empty: unknown.</param>
internal sealed class MemoryBudget(Func<IReadOnlyList<MemoryState>> read)
{
    /// <summary>
    /// A sixteenth of the memory stays free for what the load allocates beside the file, the KV cache and the buffers, and
    /// for other programs: 1 GiB of 16. Both grow with the machine that somebody bought for them.
    /// </summary>
    private const int MarginPart = 16;

    private readonly List<long> leastMapped = [];

    /// <summary>Never negative; null where the system does not tell.</summary>
    public long? ReadBytes()
    {
        long? budget = null;
        foreach (var (i, state) in read().Index())
        {
            if (i == leastMapped.Count)
                leastMapped.Add(state.Mapped);
            leastMapped[i] = Math.Min(leastMapped[i], state.Mapped);
            var own = Math.Max(0, state.Available - leastMapped[i] - state.Total / MarginPart);
            budget = budget < own ? budget : own;
        }
        return budget;
    }
}
