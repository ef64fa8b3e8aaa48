using System.Globalization;

namespace HotModel.Fit;

/// <summary>Goes through a model's tensors and layers and adds up what lies on which device.</summary>
internal sealed class EstimateSum
{
    private const int Cpu = -1;

    private readonly ModelShape shape;
    private readonly FitSettings settings;
    private readonly CacheCells cells;
    private readonly int[] deviceOfLayer; // the output is one more layer
    private readonly long[] weights;
    private readonly long[] caches;
    private readonly bool[] computes;
    private long largestOnCpu;

    public EstimateSum(ModelShape shape, FitSettings settings)
    {
        this.shape = shape;
        this.settings = settings;
        cells = CacheCells.Of(shape, settings);
        deviceOfLayer = Place(shape.Layers.Count, settings);
        // The CPU is the last.
        weights = new long[settings.GpuShares.Count + 1];
        caches = new long[weights.Length];
        computes = new bool[weights.Length];
    }

    public MemoryEstimate Sum()
    {
        checked
        {
            foreach (var tensor in shape.Tensors)
                AddWeight(tensor);
            for (var layer = 0; layer < shape.Layers.Count; layer++)
                AddLayer(layer);
            computes[Index(deviceOfLayer[^1])] = true;
            computes[^1] |= largestOnCpu > 0;
            if (settings.ProjectorBytes > 0)
                weights[settings.ProjectorOnGpu && settings.GpuShares.Count > 0 ? 0 : ^1] += settings.ProjectorBytes;
            return new MemoryEstimate(OfCpu(), [.. settings.GpuShares.Select((_, gpu) => OfGpu(gpu))]);
        }
    }

    private DeviceMemory OfCpu()
    {
        var tokens = CacheCells.MicroBatch(shape, settings);
        var compute = computes[^1]
            ? ComputeBuffer.Bytes(shape, cells, tokens, settings.FlashAttention)
            : ComputeBuffer.HostBytes(shape, cells, tokens, settings.FlashAttention);
        // llama-server reads the logits of one token of each slot.
        var logits = checked(settings.SlotsOrDefault * shape.Vocabulary * sizeof(float));
        return new DeviceMemory(weights[^1], caches[^1], compute + logits, 0);
    }

    private DeviceMemory OfGpu(int gpu)
    {
        if (!computes[gpu] && weights[gpu] == 0)
            return default;
        var tokens = CacheCells.MicroBatch(shape, settings);
        // A large batch is computed on the GPU where the weights are not: they are sent there, one matrix at a time.
        var visiting = gpu == 0 ? largestOnCpu : 0;
        var compute = checked(ComputeBuffer.Bytes(shape, cells, tokens, settings.FlashAttention) + visiting);
        return new DeviceMemory(weights[gpu], caches[gpu], compute, settings.GpuProcessBytes);
    }

    private void AddWeight(GgufTensor tensor)
    {
        checked
        {
            var device = DeviceOf(tensor);
            weights[Index(device)] += tensor.Bytes;
            if (IsInput(tensor.Name))
            {
                if (shape.SharesEmbedding && tensor.Name == "token_embd.weight" && deviceOfLayer[^1] != Cpu)
                    weights[deviceOfLayer[^1]] += tensor.Bytes;
            }
            else if (device == Cpu)
            {
                largestOnCpu = Math.Max(largestOnCpu, tensor.Bytes);
            }
        }
    }

    private void AddLayer(int layer)
    {
        var device = deviceOfLayer[layer];
        computes[Index(device)] = true;
        var kept = shape.Layers[layer];
        checked
        {
            var tokens = (kept.Slides ? cells.Sliding : cells.Full) * cells.Streams;
            // Without flash attention values lie across, and all layers have as many as the one with most (llama.cpp's
            // TAG_V_CACHE_VARIABLE).
            var values = settings.FlashAttention || kept.Values == 0 ? kept.Values : shape.Layers.Max(other => other.Values);
            var bytes = tokens * settings.KeyCacheType.Bytes(kept.Keys) + tokens * settings.ValueCacheType.Bytes(values)
                + settings.SlotsOrDefault * kept.State * sizeof(float);
            caches[Index(settings.CacheOnGpu ? device : Cpu)] += bytes;
        }
    }

    private int DeviceOf(GgufTensor tensor)
    {
        if (IsInput(tensor.Name))
            return Cpu;
        // All that is in no layer belongs to the output; so do layers that only draft, which may not even be loaded.
        if (LayerOf(tensor.Name) is not { } layer || layer >= shape.Layers.Count)
            return deviceOfLayer[^1];
        return layer < settings.ExpertLayersOnCpu && IsExpert(tensor.Name) ? Cpu : deviceOfLayer[layer];
    }

    /// <summary>What is looked up by token, of which the CPU takes out the rows.</summary>
    private static bool IsInput(string name) =>
        name is "token_embd.weight" or "position_embd.weight" or "token_types.weight" or "per_layer_token_embd.weight"
        || name.StartsWith("token_embd_norm.", StringComparison.Ordinal);

    private static bool IsExpert(string name) =>
        name.Contains("exps.", StringComparison.Ordinal) && name.Contains(".ffn_", StringComparison.Ordinal);

    private static int? LayerOf(string name)
    {
        const string prefix = "blk.";
        if (!name.StartsWith(prefix, StringComparison.Ordinal) || name.IndexOf('.', prefix.Length) is not (> 0 and var end))
            return null;
        return int.TryParse(name.AsSpan(prefix.Length..end), NumberStyles.None, CultureInfo.InvariantCulture, out var layer)
            ? layer : null;
    }

    private int Index(int device) => device == Cpu ? weights.Length - 1 : device;

    /// <summary>As llama_model::load_tensors does: the last layers go to the GPUs, one share after the other.</summary>
    private static int[] Place(int layers, FitSettings settings)
    {
        var devices = new int[layers + 1];
        Array.Fill(devices, Cpu);
        var whole = settings.GpuShares.Sum();
        if (settings.GpuShares.Count == 0)
            return devices;
        var offloaded = Math.Clamp(settings.GpuLayers ?? layers + 1, 0, layers + 1);
        var first = layers + 1 - offloaded;
        for (var layer = first; layer <= layers; layer++)
        {
            var at = (double)(layer - first) / offloaded;
            var gpu = 0;
            for (var upTo = Share(0); gpu < settings.GpuShares.Count - 1 && at >= upTo; upTo += Share(gpu))
                gpu++;
            devices[layer] = gpu;
        }
        return devices;

        double Share(int gpu) => whole > 0 ? settings.GpuShares[gpu] / whole : 1.0 / settings.GpuShares.Count;
    }
}
