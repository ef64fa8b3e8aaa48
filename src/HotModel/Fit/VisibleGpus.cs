using System.Globalization;
using HotModel.Gpu;

namespace HotModel.Fit;

/// <summary>Those of the machine's GPUs that a llama-server with these settings takes, in its order.</summary>
/// <param name="Doubt">Why they may be others; null where they are sure.</param>
internal sealed record VisibleGpus(IReadOnlyList<GpuDevice> Devices, string? Doubt)
{
    /// <param name="all">By the driver's index.</param>
    /// <param name="settings">Of the model.</param>
    /// <param name="visible">CUDA_VISIBLE_DEVICES.</param>
    /// <param name="order">CUDA_DEVICE_ORDER.</param>
    public static VisibleGpus Of(
        IReadOnlyList<GpuDevice> all, FitSettings settings, string? visible, string? order)
    {
        // CUDA puts the fastest first unless it is told otherwise, the driver's own order is that of the bus.
        var isOrderSure = order == "PCI_BUS_ID" || all.Select(gpu => gpu.Name).Distinct().Count() <= 1;
        var doubt = false;
        var gpus = all;
        if (visible is not null)
            gpus = Chosen(visible.Split(','), all, isUuid: true);
        if (settings.DeviceNames is { } names)
            gpus = Chosen([.. names.Select(Number)], gpus, isUuid: false);
        if (settings.OnlyGpu is { } only)
            gpus = Chosen([only.ToString(CultureInfo.InvariantCulture)], gpus, isUuid: false);
        if (settings.GpuShares.Count > 0 && all.Count > 1)
            doubt |= !isOrderSure;
        return new VisibleGpus(gpus, doubt
            ? "it is not known which GPU is which to llama-server; CUDA_DEVICE_ORDER=PCI_BUS_ID makes that sure" : null);

        List<GpuDevice> Chosen(IReadOnlyList<string> tokens, IReadOnlyList<GpuDevice> from, bool isUuid)
        {
            var chosen = new List<GpuDevice>();
            foreach (var token in tokens.Select(token => token.Trim()))
            {
                if (isUuid && from.FirstOrDefault(gpu => token.Length > 4 && gpu.Id.StartsWith(token, Exact)) is { } named)
                {
                    if (!chosen.Contains(named))
                        chosen.Add(named);
                    continue;
                }
                // CUDA too takes what comes before the first that it does not know.
                if (!int.TryParse(token, NumberStyles.None, CultureInfo.InvariantCulture, out var index) || index >= from.Count)
                {
                    doubt |= token is not ("" or "-1");
                    break;
                }
                doubt |= !isOrderSure;
                if (!chosen.Contains(from[index]))
                    chosen.Add(from[index]);
            }
            return chosen;
        }
    }

    private const StringComparison Exact = StringComparison.Ordinal;

    /// <summary>Of a name such as CUDA0.</summary>
    private static string Number(string name) => name[name.AsSpan().TrimEnd("0123456789").Length..];
}
