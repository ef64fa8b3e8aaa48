using HotModel.Snapshots;
using HotModel.Switching;

namespace HotModel.Prefill;

/// <summary>What is done for conversations on the model of one lane.</summary>
internal sealed record LaneWarmth(WarmReturn Warm, PrefillAhead Prefill)
{
    /// <param name="others">Of all lanes: only the model that was loaded last evaluates ahead.</param>
    public SwitchWarmth ForSwitch(IEnumerable<LaneWarmth> others) => new(
        Leaving: async cancel =>
        {
            await Prefill.EndAsync();
            return await Warm.LeavingAsync(cancel);
        },
        Loaded: async (model, upstream, cancel) =>
        {
            // A model that was lost has not left.
            foreach (var other in others)
                await other.Prefill.EndAsync();
            var restored = await Warm.LoadedAsync(model, upstream, cancel);
            Prefill.Begin(upstream, restored?.Tokens ?? 0);
            return restored;
        });
}
